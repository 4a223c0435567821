"""Every event: a frozen fact with the state after it. An event only grows; its schema is kept under tests/contracts."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar
from uuid import UUID, uuid5

from pydantic import BaseModel, ConfigDict

from services.contracts.money import Money


class Topic(StrEnum):
    """The topics, one per aggregate."""

    USERS = "users"
    ORDERS = "orders"
    PAYMENTS = "payments"
    STOCK = "stock"
    OPENING_STOCK = "opening-stock"
    NOTIFICATIONS = "notifications"


class Fact(BaseModel):
    """Part of an event: immutable, tolerant of fields that a newer producer adds."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Event(Fact):
    """Something that happened to one aggregate.

    `version` is the aggregate's version after it, so (aggregate, type, version) names the event and `event_id` needs
    no randomness: the same change published twice is the same event.
    """

    TYPE: ClassVar[str]
    TOPIC: ClassVar[Topic]

    version: int
    at: datetime

    @property
    def aggregate_id(self) -> UUID:
        """The aggregate it happened to: the partition key."""
        raise NotImplementedError

    @property
    def event_id(self) -> UUID:
        """The event's identity, the key of every consumer's inbox."""
        return uuid5(self.aggregate_id, f"{self.TYPE}/{self.version}")


# --- users ----------------------------------------------------------------------------------------------------------


class UserEvent(Event):
    """A change of an account; carries the account after it."""

    TOPIC: ClassVar[Topic] = Topic.USERS

    user_id: UUID
    email: str
    first_name: str
    last_name: str
    role: str
    is_active: bool

    @property
    def aggregate_id(self) -> UUID:
        """The account."""
        return self.user_id


class UserRegistered(UserEvent):
    """Somebody registered."""

    TYPE: ClassVar[str] = "user.registered"


class UserChanged(UserEvent):
    """An account's profile, role or activity changed."""

    TYPE: ClassVar[str] = "user.changed"


# --- orders ---------------------------------------------------------------------------------------------------------


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


# --- payments -------------------------------------------------------------------------------------------------------


class PaymentEvent(Event):
    """A change of an order's one payment; carries the payment after it."""

    TOPIC: ClassVar[Topic] = Topic.PAYMENTS

    payment_id: UUID
    order_id: UUID
    user_id: UUID
    status: str
    amount: Money
    captured_amount: Money
    refunded_amount: Money

    @property
    def aggregate_id(self) -> UUID:
        """The payment."""
        return self.payment_id


class PaymentSucceeded(PaymentEvent):
    """The order's total was captured."""

    TYPE: ClassVar[str] = "payment.succeeded"


class PaymentDeclined(PaymentEvent):
    """An attempt failed; the order stays as it is."""

    TYPE: ClassVar[str] = "payment.declined"

    attempt: int
    decline_code: str


class PaymentActionRequired(PaymentEvent):
    """The customer has to authenticate before the attempt can go on."""

    TYPE: ClassVar[str] = "payment.action_required"

    attempt: int


class PaymentRefunded(PaymentEvent):
    """A refund went through; `refunded_amount` includes it."""

    TYPE: ClassVar[str] = "payment.refunded"

    refund_id: UUID
    refund_amount: Money
    reason: str | None = None


class PaymentRefundFailed(PaymentEvent):
    """A refund failed; its debt is open again."""

    TYPE: ClassVar[str] = "payment.refund_failed"

    refund_id: UUID
    refund_amount: Money
    reason: str | None = None


# --- stock ----------------------------------------------------------------------------------------------------------


class Level(Fact):
    """A product's stock after a change, in units. Available is `on_hand - reserved`."""

    product_id: UUID
    on_hand: int
    reserved: int
    version: int


class HeldLine(Fact):
    """So many units of a product in a hold."""

    product_id: UUID
    quantity: int


class StockEvent(Event):
    """A change of stock; carries every level that it changed."""

    TOPIC: ClassVar[Topic] = Topic.STOCK

    levels: tuple[Level, ...]


class StockSet(StockEvent):
    """A product's stock on hand was opened, counted or adjusted; `version` is the level's."""

    TYPE: ClassVar[str] = "stock.set"

    product_id: UUID
    change: int
    reason: str

    @property
    def aggregate_id(self) -> UUID:
        """The product."""
        return self.product_id


class HoldEvent(StockEvent):
    """A move of an order's hold; `version` is the hold's."""

    order_id: UUID
    lines: tuple[HeldLine, ...]

    @property
    def aggregate_id(self) -> UUID:
        """The hold, which has its order's id."""
        return self.order_id


class StockHeld(HoldEvent):
    """Units were reserved for an order."""

    TYPE: ClassVar[str] = "stock.held"


class StockCommitted(HoldEvent):
    """The held units left the stock: the order is paid."""

    TYPE: ClassVar[str] = "stock.committed"


class StockReleased(HoldEvent):
    """The held units are available again: the order ended unpaid."""

    TYPE: ClassVar[str] = "stock.released"


class StockReturned(HoldEvent):
    """Committed units are on hand again: the order was cancelled after it was paid."""

    TYPE: ClassVar[str] = "stock.returned"


class OpeningLevel(Fact):
    """What a product's stock opens with."""

    product_id: UUID
    on_hand: int


class OpeningStockDeclared(Event):
    """Products came with the stock that they open with; counts once per product, before any other booking of it."""

    TYPE: ClassVar[str] = "opening-stock.declared"
    TOPIC: ClassVar[Topic] = Topic.OPENING_STOCK

    declaration_id: UUID
    levels: tuple[OpeningLevel, ...]

    @property
    def aggregate_id(self) -> UUID:
        """The declaration: a product that was created, or a part of an import."""
        return self.declaration_id


# --- notifications --------------------------------------------------------------------------------------------------


class NotificationSent(Event):
    """A message left for a customer (the address and the text stay in the notification service)."""

    TYPE: ClassVar[str] = "notification.sent"
    TOPIC: ClassVar[Topic] = Topic.NOTIFICATIONS

    notification_id: UUID
    user_id: UUID
    order_id: UUID | None = None
    channel: str
    template: str

    @property
    def aggregate_id(self) -> UUID:
        """The message."""
        return self.notification_id


def event_types() -> dict[str, type[Event]]:
    """Every concrete event class by its type."""
    found: dict[str, type[Event]] = {}
    pending: list[type[Event]] = [Event]
    while pending:
        for child in pending.pop().__subclasses__():
            pending.append(child)
            if "TYPE" in vars(child):
                found[child.TYPE] = child
    return found
