"""What the inventory service does, whichever door asked."""
