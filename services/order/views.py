"""The timeline: one document per event, whoever made it, found by the order and sorted by time."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from services.contracts.events import (
    Event,
    HoldEvent,
    NotificationSent,
    OrderCancelled,
    OrderDelivered,
    OrderPaid,
    OrderPlaced,
    OrderReaddressed,
    OrderRefunded,
    OrderShipped,
    PaymentActionRequired,
    PaymentDeclined,
    PaymentDisputeClosed,
    PaymentDisputed,
    PaymentRefunded,
    PaymentRefundFailed,
    PaymentSucceeded,
    StockCommitted,
    StockHeld,
    StockReleased,
    StockReturned,
    Topic,
)
from services.shared.documents import Document, Documents

TIMELINE = "timeline"
LONGEST = 500
"""A timeline shows its newest entries up to so many."""

_SOURCES: Mapping[Topic, str] = {
    Topic.ORDERS: "order",
    Topic.PAYMENTS: "payment",
    Topic.STOCK: "inventory",
    Topic.NOTIFICATIONS: "notification",
}

_SUMMARIES: Mapping[type[Event], Callable[[Any], str]] = {
    OrderPlaced: lambda event: f"Order of {event.total_amount} placed",
    OrderPaid: lambda event: f"Order of {event.total_amount} paid",
    OrderShipped: lambda event: f"Shipped with {event.carrier}, tracking number {event.tracking_number}",
    OrderDelivered: lambda _: "Delivered",
    OrderCancelled: lambda event: f"Order cancelled ({event.reason})",
    OrderRefunded: lambda event: f"Order of {event.total_amount} refunded",
    OrderReaddressed: lambda _: "Shipping address changed",
    PaymentSucceeded: lambda event: f"Payment of {event.captured_amount} succeeded",
    PaymentDeclined: lambda event: f"Payment of {event.amount} declined ({event.decline_code})",
    PaymentActionRequired: lambda event: f"Payment of {event.amount} waits for the customer to authenticate",
    PaymentRefunded: lambda event: f"Refund of {event.refund_amount} succeeded",
    PaymentRefundFailed: lambda event: f"Refund of {event.refund_amount} failed",
    PaymentDisputed: lambda event: f"Payment of {event.dispute_amount} disputed ({event.reason})",
    PaymentDisputeClosed: lambda event: f"Dispute of {event.dispute_amount} {event.outcome}",
    StockHeld: lambda event: f"{_units(event)} reserved",
    StockCommitted: lambda event: f"{_units(event)} taken from stock",
    StockReleased: lambda event: f"{_units(event)} released",
    StockReturned: lambda event: f"{_units(event)} returned to stock",
    NotificationSent: lambda event: f"Message {event.template} sent by {event.channel}",
}

SHOWN: Sequence[type[Event]] = tuple(_SUMMARIES)
"""The events that a timeline tells of."""
IN_BULK = tuple(event for event in SHOWN if event.TOPIC in {Topic.STOCK, Topic.NOTIFICATIONS})
"""Those that order is told for the timeline alone, so they may come many at a time."""
ONE_BY_ONE = tuple(event for event in SHOWN if event not in IN_BULK)


class TimelineItem(BaseModel):
    """What happened, when, and which service it happened in."""

    at: datetime
    source: str
    type: str
    summary: str


async def record(documents: Documents, events: Sequence[Any]) -> None:
    """Write each event's document; an event that is about no order has none."""
    found = [document_of(event) for event in events if event.order_id is not None]
    if found:
        await documents.put(TIMELINE, *found)


def document_of(event: Any) -> Document:  # noqa: ANN401 - any of the events that are shown
    """What a timeline says of an event that is about an order."""
    item = {"source": _SOURCES[event.TOPIC], "type": event.TYPE, "summary": _SUMMARIES[type(event)](event)}
    return Document(id=event.event_id, key=str(event.order_id), at=event.at, body=item)


async def timeline(documents: Documents, order_id: UUID) -> list[TimelineItem]:
    """What happened to an order, oldest first."""
    found = await documents.find(TIMELINE, str(order_id), limit=LONGEST)
    return [TimelineItem(at=one.at, **one.body) for one in reversed(found)]


def _units(event: HoldEvent) -> str:
    units = sum(line.quantity for line in event.lines)
    return f"{units} unit" if units == 1 else f"{units} units"
