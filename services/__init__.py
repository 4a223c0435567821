"""Sidecart: a shop back end of lean services on Dapr sidecars."""
