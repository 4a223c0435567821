"""Commands that do what a customer, the staff or an operator does: all of it through the public API."""
