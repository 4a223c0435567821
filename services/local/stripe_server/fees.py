"""What Stripe keeps, in minor units. A refund returns none of it."""

OF_A_DISPUTE = 2_000
"""Taken with the money when a charge is disputed, and kept even when the dispute is won."""


def of_charge(amount: int) -> int:
    """1.4 % and 25 minor units, half a unit rounded up: what a European card costs."""
    return (amount * 14 + 500) // 1000 + 25
