"""What may be paid: an order as far as money needs to know it."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Self
from uuid import UUID

from services.contracts.money import Money

PENDING = "pending"
CANCELLED = "cancelled"
FOLLOWED_AFTER = timedelta(hours=1)
"""By then a paid order has mostly told what became of it; one that has not is asked."""
_UNSHIPPED = frozenset({PENDING, "paid"})


class PayableState(StrEnum):
    """Whether an attempt may begin; a closed payable never opens again."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, kw_only=True)
class Payable:
    """An order that is to be paid: its owner, its total and the newest that was heard of it.

    `is_cancelled` says that it was given up, refunded since or not: all of its money is to go back.
    """

    order_id: UUID
    user_id: UUID
    amount_minor: int
    currency: str
    state: PayableState
    order_version: int
    order_status: str
    is_cancelled: bool = False

    @classmethod
    def of(cls, *, order_id: UUID, user_id: UUID, amount: Money, version: int, status: str) -> Self:
        """What an order tells of itself; only a pending one is still to be paid."""
        return cls(
            order_id=order_id,
            user_id=user_id,
            amount_minor=amount.minor,
            currency=amount.currency,
            state=PayableState.OPEN if status == PENDING else PayableState.CLOSED,
            order_version=version,
            order_status=status,
            is_cancelled=status == CANCELLED,
        )

    @property
    def is_open(self) -> bool:
        """Whether an attempt may begin."""
        return self.state is PayableState.OPEN

    @property
    def is_unshipped(self) -> bool:
        """Whether giving all money back means cancelling the order."""
        return self.order_status in _UNSHIPPED
