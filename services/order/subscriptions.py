"""The event door: payments move orders, and everything about an order goes on its timeline."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from services.contracts.events import (
    PaymentDisputeClosed,
    PaymentDisputed,
    PaymentRefunded,
    PaymentRefundFailed,
    PaymentSucceeded,
)
from services.order import views
from services.order.operations import settlement
from services.shared.documents import Documents
from services.shared.pubsub import EventDoor

door = EventDoor()


@door.on(PaymentSucceeded)
async def pay_order(session: AsyncSession, event: PaymentSucceeded) -> None:
    """The order's total was captured."""
    await settlement.take_success(session, event)


@door.on(PaymentRefunded)
async def refund_order(session: AsyncSession, event: PaymentRefunded) -> None:
    """Money went back."""
    await settlement.take_refund(session, event)


@door.on(PaymentRefundFailed)
async def note_failed_refund(session: AsyncSession, event: PaymentRefundFailed) -> None:
    """Money did not go back after all."""
    await settlement.note(session, event, f"refund of {event.refund_amount} failed")


@door.on(PaymentDisputed)
async def note_dispute(session: AsyncSession, event: PaymentDisputed) -> None:
    """The customer's bank wants the money back."""
    await settlement.note(session, event, f"dispute of {event.dispute_amount} ({event.reason})")


@door.on(PaymentDisputeClosed)
async def note_dispute_outcome(session: AsyncSession, event: PaymentDisputeClosed) -> None:
    """The bank has decided."""
    await settlement.note(session, event, f"dispute of {event.dispute_amount} {event.outcome}")


@door.project(*views.ONE_BY_ONE)
async def record_on_timeline(documents: Documents, event: Any) -> None:  # noqa: ANN401 - any of the events shown
    """Something happened to an order."""
    await views.record(documents, [event])


door.project_in_bulk(*views.IN_BULK)(views.record)
