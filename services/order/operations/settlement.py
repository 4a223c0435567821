"""What a payment means for its order. Events come late, twice and in any order; the table of moves refuses the rest."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.contracts.events import PaymentEvent, PaymentRefunded, PaymentSucceeded
from services.order.domain.order import Order, OrderStatus
from services.order.store import orders
from services.order.store.orders import OrderNotFound
from services.shared import outbox
from services.shared.errors import TooEarly

PAYMENT = "service:payment"
REFUNDED = "refunded"


async def take_success(session: AsyncSession, event: PaymentSucceeded) -> None:
    """A pending order becomes paid. A cancelled one keeps a note; the payment service gives the money back.

    :raises TooEarly: the order is not known.
    """
    order = await _known(session, event.order_id)
    await pay(session, order, event.payment_id, at=event.at, cause=event.event_id)


async def pay(
    session: AsyncSession, order: Order, payment_id: UUID, *, at: datetime, cause: UUID | None = None
) -> None:
    """Let a locked order be paid if it is pending, note it if it was cancelled unpaid; of any other this is old news.

    :param cause: the event that told of it; None when payment was asked.
    """
    if order.status is OrderStatus.PENDING:
        outbox.add(session, order.pay(payment_id, by=PAYMENT, at=at, cause=cause))
    elif order.status is OrderStatus.CANCELLED and order.payment_id is None:
        outbox.add(session, order.take_late(payment_id, by=PAYMENT, at=at, cause=cause))
    else:
        return
    await orders.save(session, order)


async def take_refund(session: AsyncSession, event: PaymentRefunded) -> None:
    """A full refund moves the order, a partial one is noted.

    A paid order whose money went back at the provider can't ship: it is cancelled first, so that its stock returns.

    :raises TooEarly: the order is not known, or the success that this undoes has not come yet.
    """
    order, told = await _known(session, event.order_id), _told_by(event)
    if order.knows(event.event_id):
        return
    if order.status is OrderStatus.PENDING:
        raise TooEarly
    if event.refunded_amount != event.captured_amount:
        outbox.add(session, order.note(f"partial refund of {event.refund_amount}", **told))
    elif order.status is not OrderStatus.REFUNDED:
        if order.status is OrderStatus.PAID:
            outbox.add(session, order.cancel(reason=REFUNDED, **told))
        outbox.add(session, order.refund(event.payment_id, reason=event.reason, **told))
    await orders.save(session, order)


async def note(session: AsyncSession, event: PaymentEvent, reason: str) -> None:
    """Something happened to the money that does not move the order; its history tells.

    :raises TooEarly: the order is not known.
    """
    order = await _known(session, event.order_id)
    if not order.knows(event.event_id):
        outbox.add(session, order.note(reason, **_told_by(event)))
        await orders.save(session, order)


def _told_by(event: PaymentEvent) -> dict[str, Any]:
    return {"by": PAYMENT, "at": event.at, "cause": event.event_id}


async def _known(session: AsyncSession, order_id: UUID) -> Order:
    try:
        return await orders.lock(session, order_id)
    except OrderNotFound as error:
        raise TooEarly from error
