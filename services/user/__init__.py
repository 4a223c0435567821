"""Accounts, roles and the tokens that everybody else trusts."""
