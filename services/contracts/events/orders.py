"""What happens to orders."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from services.contracts.events.event import Event, Fact, Topic
from services.contracts.money import Money


class OrderLine(Fact):
    """A line of an order at the price it was placed at."""

    product_id: UUID
    sku: str
    name: str
    unit_price: Money
    quantity: int
    line_total: Money


class OrderEvent(Event):
    """A move of an order; carries the order after it, without the address (personal data stays beside the order)."""

    TOPIC: ClassVar[Topic] = Topic.ORDERS

    order_id: UUID
    user_id: UUID
    status: str
    lines: tuple[OrderLine, ...]
    total_amount: Money
    payment_id: UUID | None = None
    actor: str
    """Who did it: `customer:<id>`, `staff:<id>`, `admin:<id>` or `service:<app id>`."""
    reason: str | None = None
    cause: UUID | None = None
    """The other service's event that brought it about."""
    expires_at: datetime

    @property
    def aggregate_id(self) -> UUID:
        """The order."""
        return self.order_id


class OrderPlaced(OrderEvent):
    """A customer placed an order; its stock is held and its payment is awaited until `expires_at`."""

    TYPE: ClassVar[str] = "order.placed"


class OrderPaid(OrderEvent):
    """The order's total was captured."""

    TYPE: ClassVar[str] = "order.paid"


class OrderShipped(OrderEvent):
    """Staff handed the order to a carrier."""

    TYPE: ClassVar[str] = "order.shipped"

    carrier: str
    tracking_number: str


class OrderDelivered(OrderEvent):
    """The order reached its customer."""

    TYPE: ClassVar[str] = "order.delivered"


class OrderCancelled(OrderEvent):
    """The order ended before shipping: held stock is released, committed stock returns, captured money is refunded."""

    TYPE: ClassVar[str] = "order.cancelled"


class OrderRefunded(OrderEvent):
    """All of the order's money went back."""

    TYPE: ClassVar[str] = "order.refunded"


class OrderReaddressed(OrderEvent):
    """The shipping address changed (the address itself is not in the event)."""

    TYPE: ClassVar[str] = "order.readdressed"


class OrderNoted(OrderEvent):
    """Something that concerns the order and does not move it was written into its history: `reason` says what."""

    TYPE: ClassVar[str] = "order.noted"
