"""What an operator does about events: letters that could not be handled, and facts that a broker has lost."""
