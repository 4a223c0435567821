"""Commands that do what a customer, the staff or an operator does: all of it through the public API."""

from services.local.customer.seeding import seed

__all__ = ["seed"]
