"""The event door: what is told of orders."""

from sqlalchemy.ext.asyncio import AsyncSession

from services.contracts.events import (
    OrderCancelled,
    OrderDelivered,
    OrderEvent,
    OrderPaid,
    OrderPlaced,
    OrderReaddressed,
    OrderRefunded,
    OrderShipped,
)
from services.payment.domain.payables import Payable
from services.payment.operations import closing
from services.shared.pubsub import EventDoor

door = EventDoor()


@door.on(OrderPlaced, OrderPaid, OrderShipped, OrderDelivered, OrderReaddressed, OrderRefunded)
async def keep_order(session: AsyncSession, event: OrderEvent) -> None:
    """Keep what is to be paid, and how far the order has come."""
    await closing.keep_order(session, _payable(event))


@door.on(OrderCancelled)
async def cancel_order(session: AsyncSession, event: OrderCancelled) -> None:
    """Take no money any more, and give back what was taken."""
    await closing.cancel_order(session, _payable(event), at=event.at)


def _payable(event: OrderEvent) -> Payable:
    return Payable.of(
        order_id=event.order_id,
        user_id=event.user_id,
        amount=event.total_amount,
        version=event.version,
        status=event.status,
    )
