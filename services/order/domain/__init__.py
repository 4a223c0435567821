"""What an order and a cart are, and what they refuse."""
