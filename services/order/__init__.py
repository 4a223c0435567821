"""Carts, orders, their state machine and their history."""
