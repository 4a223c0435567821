"""What a payment means for its order. Events come late, twice and in any order; the table of moves refuses the rest."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.contracts.events import PaymentEvent, PaymentRefunded, PaymentSucceeded
from services.order.domain.order import Order, OrderStatus
from services.order.store import orders
from services.order.store.orders import OrderNotFound
from services.shared import outbox
from services.shared.errors import TooEarly

PAYMENT = "service:payment"
PAID_TOO_LATE = "paid-after-cancellation"
REFUNDED = "refunded"


async def take_success(session: AsyncSession, event: PaymentSucceeded) -> None:
    """A pending order becomes paid. A cancelled one keeps a note; the payment service gives the money back.

    :raises TooEarly: the order is not known.
    """
    await pay(session, await _known(session, event.order_id), event.payment_id, by=PAYMENT, at=event.at)


async def pay(session: AsyncSession, order: Order, payment_id: UUID, *, by: str, at: datetime) -> None:
    """Let a locked order be paid if it is pending, note it if it is cancelled; of any other this is old news."""
    if order.status is OrderStatus.PENDING:
        outbox.add(session, order.pay(payment_id, by=by, at=at))
    elif order.status is OrderStatus.CANCELLED:
        order.note(PAID_TOO_LATE, by=by, at=at)
    await orders.save(session, order)


async def take_refund(session: AsyncSession, event: PaymentRefunded) -> None:
    """A full refund moves the order, a partial one is noted.

    A paid order whose money went back at the provider can't ship: it is cancelled first, so that its stock returns.

    :raises TooEarly: the order is not known, or the success that this undoes has not come yet.
    """
    order = await _known(session, event.order_id)
    if order.status is OrderStatus.PENDING:
        raise TooEarly
    if event.refunded_amount != event.captured_amount:
        order.note(f"partial refund of {event.refund_amount}", by=PAYMENT, at=event.at)
    elif order.status is not OrderStatus.REFUNDED:
        if order.status is OrderStatus.PAID:
            outbox.add(session, order.cancel(by=PAYMENT, reason=REFUNDED, at=event.at))
        outbox.add(session, order.refund(event.payment_id, by=PAYMENT, reason=event.reason, at=event.at))
    await orders.save(session, order)


async def note(session: AsyncSession, event: PaymentEvent, reason: str) -> None:
    """Something happened to the money that does not move the order; its history tells.

    :raises TooEarly: the order is not known.
    """
    order = await _known(session, event.order_id)
    order.note(reason, by=PAYMENT, at=event.at)
    await orders.save(session, order)


async def _known(session: AsyncSession, order_id: UUID) -> Order:
    try:
        return await orders.lock(session, order_id)
    except OrderNotFound as error:
        raise TooEarly from error
