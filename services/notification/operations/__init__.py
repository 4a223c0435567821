"""What the notification service does, whichever door asked."""
