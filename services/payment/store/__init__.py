"""Every SQL statement of the payment service. Whoever changes a payment holds its payable's lock."""
