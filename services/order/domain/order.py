"""The order: its table of moves, its totals, its refusals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self, TypeVar
from uuid import UUID

from services.contracts.events import (
    OrderCancelled,
    OrderDelivered,
    OrderEvent,
    OrderLine,
    OrderNoted,
    OrderPaid,
    OrderPlaced,
    OrderReaddressed,
    OrderRefunded,
    OrderShipped,
)
from services.contracts.money import Money
from services.order.domain.address import Address
from services.order.domain.lines import total_of
from services.shared.errors import Conflict

PAYABLE_FOR = timedelta(minutes=15)
"""How long a pending order waits for its payment."""
PAID_TOO_LATE = "paid-after-cancellation"

Fact = TypeVar("Fact", bound=OrderEvent)


class OrderStatus(StrEnum):
    """Where an order stands."""

    PENDING = "pending"
    PAID = "paid"
    SHIPPED = "shipped"
    DELIVERED = "delivered"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"


MOVES: Mapping[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.PENDING: frozenset({OrderStatus.PAID, OrderStatus.CANCELLED}),
    OrderStatus.PAID: frozenset({OrderStatus.SHIPPED, OrderStatus.CANCELLED}),
    OrderStatus.SHIPPED: frozenset({OrderStatus.DELIVERED, OrderStatus.REFUNDED}),
    OrderStatus.DELIVERED: frozenset({OrderStatus.REFUNDED}),
    OrderStatus.CANCELLED: frozenset({OrderStatus.REFUNDED}),
    OrderStatus.REFUNDED: frozenset(),
}

READDRESSABLE = frozenset({OrderStatus.PENDING, OrderStatus.PAID})
"""While the parcel has not left."""
MOST_READDRESSINGS = 50
"""So that nobody makes a history that is too long to be read and written with every change."""
_READDRESSED = "address-changed"


class OrderCannotMove(Conflict):
    """An order that is {before} cannot become {after}."""


class OrderCannotBeReaddressed(Conflict):
    """The address of an order that is {status} cannot change any more."""


class ReaddressedTooOften(Conflict):
    """The address of an order changes at most {most} times."""


class CheckoutExpired(Conflict):
    """This attempt to order came too late: its stock was given back. Order again with another Idempotency-Key."""


class InsufficientStock(Conflict):
    """There is not enough stock of some of the products."""


@dataclass(frozen=True, kw_only=True)
class HistoryEntry:
    """What an order was at a moment, who brought it there and why."""

    status: OrderStatus
    at: datetime
    actor: str
    reason: str | None = None
    cause: UUID | None = None
    """The other service's event that brought it about."""


@dataclass(kw_only=True)
class Order:
    """An order of one customer. Every change answers the fact it made and raises the version by one."""

    id: UUID
    user_id: UUID
    status: OrderStatus
    lines: tuple[OrderLine, ...]
    total_amount: Money
    shipping_address: Address | None
    """None once it was erased."""
    payment_id: UUID | None = None
    history: list[HistoryEntry] = field(default_factory=list)
    version: int
    created_at: datetime
    updated_at: datetime
    expires_at: datetime
    carrier: str | None = None
    tracking_number: str | None = None

    @classmethod
    def place(
        cls, id_: UUID, *, user_id: UUID, lines: Sequence[OrderLine], shipping_address: Address, by: str, at: datetime
    ) -> tuple[Self, OrderPlaced]:
        """A new order, pending for 15 minutes.

        :raises MixedCurrencies: the lines are not all in one currency.
        :raises TotalTooLarge: they sum to more than `Money` can carry on the wire.
        """
        order = cls(
            id=id_,
            user_id=user_id,
            status=OrderStatus.PENDING,
            lines=tuple(lines),
            total_amount=total_of(lines),
            shipping_address=shipping_address,
            version=0,
            created_at=at,
            updated_at=at,
            expires_at=at + PAYABLE_FOR,
        )
        return order, order._record(OrderPlaced, by=by, at=at)

    def pay(self, payment_id: UUID, *, by: str, at: datetime, cause: UUID | None = None) -> OrderPaid:
        """Its total was captured."""
        self._demand_move(OrderStatus.PAID)
        self.payment_id = payment_id
        return self._move(OrderStatus.PAID, OrderPaid, by=by, at=at, cause=cause)

    def take_late(self, payment_id: UUID, *, by: str, at: datetime, cause: UUID | None = None) -> OrderNoted:
        """Its total was captured after it had ended; whoever captured it gives it back."""
        self.payment_id = payment_id
        return self.note(PAID_TOO_LATE, by=by, at=at, cause=cause)

    def ship(self, *, carrier: str, tracking_number: str, by: str, at: datetime) -> OrderShipped:
        """It was handed to a carrier."""
        self._demand_move(OrderStatus.SHIPPED)
        self.carrier, self.tracking_number = carrier, tracking_number
        parcel = {"carrier": carrier, "tracking_number": tracking_number}
        return self._move(OrderStatus.SHIPPED, OrderShipped, by=by, at=at, **parcel)

    def deliver(self, *, by: str, at: datetime) -> OrderDelivered:
        """It reached its customer."""
        return self._move(OrderStatus.DELIVERED, OrderDelivered, by=by, at=at)

    def cancel(self, *, by: str, reason: str, at: datetime, cause: UUID | None = None) -> OrderCancelled:
        """It ends before shipping."""
        return self._move(OrderStatus.CANCELLED, OrderCancelled, by=by, reason=reason, at=at, cause=cause)

    def refund(
        self, payment_id: UUID, *, by: str, reason: str | None, at: datetime, cause: UUID | None = None
    ) -> OrderRefunded:
        """All of its money went back."""
        self._demand_move(OrderStatus.REFUNDED)
        self.payment_id = payment_id
        return self._move(OrderStatus.REFUNDED, OrderRefunded, by=by, reason=reason, at=at, cause=cause)

    def readdress(self, address: Address, *, by: str, at: datetime) -> OrderReaddressed:
        """It goes to another address.

        :raises OrderCannotBeReaddressed: the parcel has left, or there will be none.
        :raises ReaddressedTooOften: it has done so 50 times.
        """
        if self.status not in READDRESSABLE:
            raise OrderCannotBeReaddressed(status=self.status)
        if sum(entry.reason == _READDRESSED for entry in self.history) >= MOST_READDRESSINGS:
            raise ReaddressedTooOften(most=MOST_READDRESSINGS)
        self.shipping_address = address
        return self._record(OrderReaddressed, by=by, reason=_READDRESSED, at=at)

    def note(self, reason: str, *, by: str, at: datetime, cause: UUID | None = None) -> OrderNoted:
        """Something concerns it and does not move it."""
        return self._record(OrderNoted, by=by, reason=reason, at=at, cause=cause)

    def knows(self, cause: UUID) -> bool:
        """Whether this event of another service has had its effect."""
        return any(entry.cause == cause for entry in self.history)

    @property
    def has_left(self) -> bool:
        """Whether it was handed to a carrier."""
        return self.carrier is not None

    def is_shipped_with(self, carrier: str, tracking_number: str) -> bool:
        """Whether it was handed to this carrier under this number, and is still under way."""
        return (self.status, self.carrier, self.tracking_number) == (OrderStatus.SHIPPED, carrier, tracking_number)

    def _demand_move(self, after: OrderStatus) -> None:
        if after not in MOVES[self.status]:
            raise OrderCannotMove(before=self.status, after=after)

    def _move(self, after: OrderStatus, fact: type[Fact], **told: Any) -> Fact:  # noqa: ANN401 - `_record` says
        self._demand_move(after)
        self.status = after
        return self._record(fact, **told)

    def _record(
        self,
        fact: type[Fact],
        *,
        by: str,
        at: datetime,
        reason: str | None = None,
        cause: UUID | None = None,
        **more: str,
    ) -> Fact:
        self.version += 1
        self.updated_at = at
        self.history.append(HistoryEntry(status=self.status, at=at, actor=by, reason=reason, cause=cause))
        state = {"status": self.status, "lines": self.lines, "total_amount": self.total_amount}
        state |= {"payment_id": self.payment_id, "expires_at": self.expires_at, "user_id": self.user_id}
        why = {"actor": by, "reason": reason, "cause": cause}
        return fact(order_id=self.id, version=self.version, at=at, **why, **state, **more)


def diagram() -> str:
    """The table of moves as a Mermaid state diagram, for the README."""
    begins = [f"    [*] --> {OrderStatus.PENDING}"]
    moves = [f"    {before} --> {after}" for before in OrderStatus for after in OrderStatus if after in MOVES[before]]
    ends = [f"    {status} --> [*]" for status in OrderStatus if not MOVES[status]]
    return "\n".join(["stateDiagram-v2", *begins, *moves, *ends])
