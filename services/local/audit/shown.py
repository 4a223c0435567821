"""Which facts are shown on timelines, and which are written to customers under which template."""

from collections.abc import Mapping

from services.contracts.events import (
    Event,
    OrderCancelled,
    OrderDelivered,
    OrderPaid,
    OrderPlaced,
    OrderShipped,
    PaymentDeclined,
    PaymentRefunded,
)
from services.order import views

SHOWN_TYPES = [event.TYPE for event in views.SHOWN]

_LETTERS: Mapping[type[Event], str] = {
    OrderPlaced: "order-placed",
    OrderPaid: "order-paid",
    OrderShipped: "order-shipped",
    OrderDelivered: "order-delivered",
    OrderCancelled: "order-cancelled",
    PaymentRefunded: "order-refunded",
    PaymentDeclined: "payment-failed",
}
LETTERS = {event.TYPE: template for event, template in _LETTERS.items()}
"""The template of the letter about each type of fact. A greeting is left out: facts of users are forgotten."""

FACTS_OF_CUSTOMERS = list(LETTERS)
