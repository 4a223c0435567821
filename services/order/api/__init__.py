"""The HTTP door: orders, carts, and what peers ask."""
