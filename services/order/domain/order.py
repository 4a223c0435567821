"""The order: its table of moves, its totals, its refusals."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self, TypeVar
from uuid import UUID

from services.contracts.answers import PricedProduct
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
from services.contracts.money import LARGEST_MINOR, Money
from services.order.domain.address import Address
from services.order.domain.cart import MOST_UNITS
from services.shared.errors import Conflict, Invalid

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


class OrderCannotMove(Conflict):
    """An order that is {before} cannot become {after}."""


class OrderCannotBeReaddressed(Conflict):
    """The address of an order that is {status} cannot change any more."""


class MixedCurrencies(Invalid):
    """All lines of an order must be in one currency; these are in {currencies}."""


class TotalTooLarge(Invalid):
    """The total of an order is at most {largest}."""


class CheckoutExpired(Conflict):
    """This attempt to order came too late: its stock was given back. Order again with another Idempotency-Key."""


class InsufficientStock(Conflict):
    """There is not enough stock of some of the products."""


class UnknownProduct(Invalid):
    """A product does not exist or is not on sale."""


class TooManyUnits(Invalid):
    """An order has at most {most} units of a product."""


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
        """
        if self.status not in READDRESSABLE:
            raise OrderCannotBeReaddressed(status=self.status)
        self.shipping_address = address
        return self._record(OrderReaddressed, by=by, reason="address-changed", at=at)

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


def lines_of(wanted: Sequence[tuple[UUID, int]], products: Iterable[PricedProduct]) -> list[OrderLine]:
    """Order lines at today's prices; wanting a product twice wants the sum.

    :raises UnknownProduct: naming the positions whose product does not exist or is not on sale.
    :raises TooManyUnits: naming the positions whose product is wanted more often than a line goes.
    """
    on_sale = {product.product_id: product for product in products if product.is_active}
    unknown = [position for position, (product_id, _) in enumerate(wanted) if product_id not in on_sale]
    if unknown:
        message = "there is no such product on sale"
        raise UnknownProduct(errors=[{"field": f"items.{at}.product_id", "message": message} for at in unknown])
    quantities = merged(wanted)
    above = [position for position, (product_id, _) in enumerate(wanted) if quantities[product_id] > MOST_UNITS]
    if above:
        message = f"together they are more than {MOST_UNITS} units of this product"
        raise TooManyUnits(
            most=MOST_UNITS, errors=[{"field": f"items.{at}.quantity", "message": message} for at in above]
        )
    return [_line(on_sale[product_id], quantity) for product_id, quantity in quantities.items()]


def merged(wanted: Iterable[tuple[UUID, int]]) -> dict[UUID, int]:
    """So many units of each product, in the order in which they were first named."""
    quantities: dict[UUID, int] = {}
    for product_id, quantity in wanted:
        quantities[product_id] = quantities.get(product_id, 0) + quantity
    return quantities


def _line(product: PricedProduct, quantity: int) -> OrderLine:
    return OrderLine(
        product_id=product.product_id,
        sku=product.sku,
        name=product.name,
        unit_price=product.price,
        quantity=quantity,
        line_total=product.price * quantity,
    )


def total_of(lines: Sequence[OrderLine]) -> Money:
    """The sum of the lines.

    :raises MixedCurrencies: they are not all in one currency.
    :raises TotalTooLarge: it is more than `Money` can carry on the wire.
    """
    currencies = sorted({line.line_total.currency for line in lines})
    if len(currencies) > 1:
        raise MixedCurrencies(currencies=", ".join(currencies))
    total = Money.total((line.line_total for line in lines), currencies[0])
    if total.minor > LARGEST_MINOR:
        raise TotalTooLarge(largest=Money.of(LARGEST_MINOR, total.currency))
    return total


def diagram() -> str:
    """The table of moves as a Mermaid state diagram, for the README."""
    begins = [f"    [*] --> {OrderStatus.PENDING}"]
    moves = [f"    {before} --> {after}" for before in OrderStatus for after in OrderStatus if after in MOVES[before]]
    ends = [f"    {status} --> [*]" for status in OrderStatus if not MOVES[status]]
    return "\n".join(["stateDiagram-v2", *begins, *moves, *ends])
