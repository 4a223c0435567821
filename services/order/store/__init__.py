"""Every SQL statement of the order service, and where carts are kept."""
