"""The HTTP door."""

from services.payment.api import payables, payments, webhooks

routers = [payments.router, webhooks.router, payables.router]
