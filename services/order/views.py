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

_SUMMARIES: Mapping[type[Event], Callable[[Any], str]] = {
    OrderPlaced: lambda event: f"Order of {event.total_amount} placed",
    StockHeld: lambda event: f"{_units(event)} reserved",
    PaymentActionRequired: lambda event: f"Payment of {event.amount} waits for the customer to authenticate",
    PaymentDeclined: lambda event: f"Payment of {event.amount} declined ({event.decline_code})",
    PaymentSucceeded: lambda event: f"Payment of {event.captured_amount} succeeded",
    OrderPaid: lambda event: f"Order of {event.total_amount} paid",
    StockCommitted: lambda event: f"{_units(event)} taken from stock",
    OrderReaddressed: lambda _: "Shipping address changed",
    OrderShipped: lambda event: f"Shipped with {event.carrier}, tracking number {event.tracking_number}",
    OrderDelivered: lambda _: "Delivered",
    PaymentDisputed: lambda event: f"Payment of {event.dispute_amount} disputed ({event.reason})",
    PaymentDisputeClosed: lambda event: f"Dispute of {event.dispute_amount} {event.outcome}",
    PaymentRefunded: lambda event: f"Refund of {event.refund_amount} succeeded",
    PaymentRefundFailed: lambda event: f"Refund of {event.refund_amount} failed",
    OrderCancelled: lambda event: f"Order cancelled ({event.reason})",
    OrderRefunded: lambda event: f"Order of {event.total_amount} refunded",
    StockReleased: lambda event: f"{_units(event)} released",
    StockReturned: lambda event: f"{_units(event)} returned to stock",
    NotificationSent: lambda event: f"Message {event.template} sent by {event.channel}",
}
"""In the order of an order's life: an effect may carry the moment of its cause, and is told after it."""

SHOWN: Sequence[type[Event]] = tuple(_SUMMARIES)
"""The events that a timeline tells of."""
ONE_BY_ONE = tuple(event for event in SHOWN if event.TOPIC is Topic.PAYMENTS)
"""Those of the topic that moves orders too."""
IN_BULK = tuple(event for event in SHOWN if event not in ONE_BY_ONE)
"""Those that order is told for the timeline alone, so they may come many at a time."""
_RANKS: Mapping[str, int] = {event.TYPE: rank for rank, event in enumerate(SHOWN)}


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
    item = {"source": event.TOPIC.producer, "type": event.TYPE, "summary": _SUMMARIES[type(event)](event)}
    return Document(id=event.event_id, key=str(event.order_id), at=event.at, body=item)


async def timeline(documents: Documents, order_id: UUID) -> list[TimelineItem]:
    """What happened to an order, oldest first; of what carries the same moment, the cause first."""
    found = await documents.find(TIMELINE, str(order_id), limit=LONGEST)
    items = [TimelineItem(at=one.at, **one.body) for one in found]
    return sorted(items, key=lambda item: (item.at, _RANKS[item.type]))


def _units(event: HoldEvent) -> str:
    units = sum(line.quantity for line in event.lines)
    return f"{units} unit" if units == 1 else f"{units} units"
