"""What may be paid: an order as far as money needs to know it."""

from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

PENDING = "pending"
CANCELLED = "cancelled"
_UNSHIPPED = frozenset({PENDING, "paid"})


class PayableState(StrEnum):
    """Whether an attempt may begin; a closed payable never opens again."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, kw_only=True)
class Payable:
    """An order that is to be paid: its owner, its total and the newest that was heard of it."""

    order_id: UUID
    user_id: UUID
    amount_minor: int
    currency: str
    state: PayableState
    order_version: int
    order_status: str

    @property
    def is_open(self) -> bool:
        """Whether an attempt may begin."""
        return self.state is PayableState.OPEN

    @property
    def is_unshipped(self) -> bool:
        """Whether giving all money back means cancelling the order."""
        return self.order_status in _UNSHIPPED

    @property
    def is_cancelled(self) -> bool:
        """Whether all of its money is to go back."""
        return self.order_status == CANCELLED


def state_of(order_status: str) -> PayableState:
    """Only a pending order is still to be paid."""
    return PayableState.OPEN if order_status == PENDING else PayableState.CLOSED
