"""The HTTP door."""

from services.payment.api import payables, payments, reconciliation, webhooks

routers = [reconciliation.router, payments.router, webhooks.router, payables.router]
"""A literal path goes before one with a parameter."""
