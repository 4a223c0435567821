"""Payments and refunds: one order, one payment, one PaymentIntent, and a ledger that always balances."""
