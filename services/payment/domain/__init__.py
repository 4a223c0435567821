"""What is true of money whoever asks: the payment, its attempts, its refunds and their refusals."""
