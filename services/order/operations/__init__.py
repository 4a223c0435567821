"""What the order service does: one function a verb, whichever door asked."""
