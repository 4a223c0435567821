"""The ledger: it balances, and it says of every payment what the payment says of itself."""

from services.local.audit.checks import Count, Rows

_PAYMENT = "payment"

TRANSACTION_IS_UNBALANCED = """
SELECT transaction_id AS subject, currency, sum(amount_minor)::bigint AS off_by FROM ledger_entry
GROUP BY transaction_id, currency HAVING sum(amount_minor) <> 0
"""
LEDGER_IS_UNBALANCED = """
SELECT currency AS subject, sum(amount_minor)::bigint AS off_by FROM ledger_entry
GROUP BY currency HAVING sum(amount_minor) <> 0
"""
TRANSACTION_IS_EMPTY = """
SELECT id AS subject, kind, idempotency_key FROM ledger_transaction
WHERE NOT EXISTS (SELECT FROM ledger_entry WHERE transaction_id = ledger_transaction.id)
"""
PAYMENT_DIFFERS_FROM_LEDGER = """
WITH booked AS (
    SELECT order_id, coalesce(sum(amount_minor) FILTER (WHERE kind = 'capture'), 0)::bigint AS captured,
        coalesce(-sum(amount_minor) FILTER (WHERE kind <> 'capture'), 0)::bigint AS refunded
    FROM ledger_transaction JOIN ledger_entry ON transaction_id = id
    WHERE kind IN ('capture', 'refund', 'refund_failure') AND account = 'stripe_clearing' GROUP BY order_id
)
SELECT coalesce(payment.id, order_id) AS subject, captured_minor, refunded_minor, booked.captured AS booked_captured,
    booked.refunded AS booked_refunded
FROM payment FULL JOIN booked USING (order_id)
WHERE payment.id IS NULL
    OR (captured_minor, refunded_minor) <> (coalesce(booked.captured, 0), coalesce(booked.refunded, 0))
"""

ROWS = (
    Rows(invariant="I5", name="transaction-unbalanced", service=_PAYMENT, finds=TRANSACTION_IS_UNBALANCED),
    Rows(invariant="I5", name="ledger-unbalanced", service=_PAYMENT, finds=LEDGER_IS_UNBALANCED),
    Rows(invariant="I5", name="transaction-empty", service=_PAYMENT, finds=TRANSACTION_IS_EMPTY),
    Rows(invariant="I5", name="payment-unbooked", service=_PAYMENT, finds=PAYMENT_DIFFERS_FROM_LEDGER),
)
COUNTS = (
    Count(invariant="I5", noun="transactions", service=_PAYMENT, counts="SELECT count(*) FROM ledger_transaction"),
    Count(invariant="I5", noun="entries", service=_PAYMENT, counts="SELECT count(*) FROM ledger_entry"),
)
