"""What customers are told about each event, in which words, and what they may wish."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from services.contracts.events import (
    Event,
    OrderCancelled,
    OrderDelivered,
    OrderEvent,
    OrderPaid,
    OrderPlaced,
    OrderShipped,
    PaymentDeclined,
    PaymentEvent,
    PaymentRefunded,
    UserRegistered,
)
from services.shared.errors import TooEarly

SHOP = "Sidecart"
EMAIL = "email"
FIRST_DELAY = timedelta(seconds=2)
LONGEST_DELAY = timedelta(hours=1)
MOST_ATTEMPTS = 35
"""With these delays the last attempt is made about a day after the first."""


class RecipientUnknown(TooEarly):
    """Nothing is known yet about the customer whom this is for."""


@dataclass(frozen=True, kw_only=True)
class Recipient:
    """Whom a message is for, and whether e-mails about orders are wanted."""

    user_id: UUID
    email: str
    first_name: str
    wants_order_emails: bool


@dataclass(frozen=True, kw_only=True)
class Notice:
    """What is said about an event: `template` names the e-mail, `body` is the sentence in the inbox."""

    template: str
    title: str
    body: str


@dataclass(frozen=True, kw_only=True)
class Message:
    """An e-mail that waits to be sent."""

    id: UUID
    user_id: UUID
    order_id: UUID | None
    template: str
    address: str
    subject: str
    html: str
    attempts: int = 0
    written_at: datetime

    @property
    def is_given_up(self) -> bool:
        """Whether it has been tried for long enough."""
        return self.attempts >= MOST_ATTEMPTS

    def next_try(self, now: datetime) -> datetime:
        """When it is tried again: the delay doubles with every attempt."""
        doublings: int = 2 ** min(self.attempts, 20)
        return now + min(FIRST_DELAY * doublings, LONGEST_DELAY)


_WORDS: Mapping[type[Event], tuple[str, str, str]] = {
    UserRegistered: (
        "welcome",
        "Welcome to {shop}",
        "Your account is ready. What you order and what becomes of it is told here.",
    ),
    OrderPlaced: (
        "order-placed",
        "Order placed: {number}",
        "Your order {number} over {event.total_amount} is reserved until {event.expires_at:%H:%M} UTC.",
    ),
    OrderPaid: (
        "order-paid",
        "Order paid: {number}",
        "Your payment of {event.total_amount} for order {number} arrived.",
    ),
    OrderShipped: (
        "order-shipped",
        "Order shipped: {number}",
        "Order {number} is on its way with {event.carrier}, tracking number {event.tracking_number}.",
    ),
    OrderDelivered: ("order-delivered", "Order delivered: {number}", "Order {number} was delivered."),
    OrderCancelled: ("order-cancelled", "Order cancelled: {number}", "Order {number} was cancelled."),
    PaymentRefunded: (
        "order-refunded",
        "Order refunded: {number}",
        "{event.refund_amount} for order {number} is on its way back to you.",
    ),
    PaymentDeclined: (
        "payment-failed",
        "Payment failed: {number}",
        "Your payment of {event.amount} for order {number} was declined; you can try again with another method.",
    ),
}
TOLD = tuple(_WORDS)
"""The events that customers are told about."""


def notice_of(event: Event) -> Notice:
    """What is said about an event that is in `TOLD`."""
    template, title, body = _WORDS[type(event)]
    words = {"shop": SHOP, "event": event, "number": order_number(order_of(event))}
    return Notice(template=template, title=title.format(**words), body=body.format(**words))


def order_of(event: Event) -> UUID | None:
    """The order that an event is about."""
    return event.order_id if isinstance(event, OrderEvent | PaymentEvent) else None


def order_number(order_id: UUID | None) -> str:
    """How people call an order: the first eight digits of its id."""
    return order_id.hex[:8].upper() if order_id else ""


def message_id(event: Event, template: str) -> UUID:
    """The same event makes the same message, however often it comes."""
    return uuid5(event.event_id, f"{EMAIL}/{template}")


def inbox_id(event: Event) -> UUID:
    """The same event makes the same item of the inbox."""
    return uuid5(event.event_id, "inbox")
