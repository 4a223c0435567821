"""The product service through its real doors."""
