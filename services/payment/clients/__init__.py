"""Questions to others: the payment provider and the order service."""
