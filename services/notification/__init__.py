"""What customers are told: e-mails, the in-app inbox and their wishes about both."""
