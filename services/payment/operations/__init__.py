"""What the payment service does. Whatever asks the provider is: load, call, record, each transaction on its own."""
