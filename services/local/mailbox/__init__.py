"""A mailbox for everything the shop sends on this machine: SMTP in, JSON and a page to read out."""
