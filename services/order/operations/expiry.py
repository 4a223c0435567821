"""Ending orders that nobody paid in time: the payable is closed first, so a captured order never expires."""

from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from services.contracts.answers import Closed, CloseOutcome
from services.order import clients
from services.order.domain.order import Order, OrderStatus
from services.order.operations import settlement
from services.order.store import orders
from services.shared import outbox
from services.shared.database import Database
from services.shared.failpoints import failpoint
from services.shared.runtime import Runtime
from services.shared.sidecar import CallRefused, SidecarAway

EXPIRER = "service:order"
EXPIRED = "expired"
AGAIN_SOONEST = timedelta(seconds=10)
"""Longer than an answer is waited for."""
AGAIN_LATEST = timedelta(minutes=1)

log = structlog.get_logger()


async def expire_one(runtime: Runtime) -> bool:
    """End one pending order that is past its time, if payment lets it go; False when there is none or no answer.

    An order whose payment is busy or away is asked about again later, each time after longer, and the others go on.
    """
    now = runtime.clock()
    order = await _take(runtime.database, now)
    if order is None:
        return False
    failpoint("order.expiry_taken.before_payable_closed")
    try:
        closed = await clients.close_payable(runtime.sidecar, order)
    except (SidecarAway, CallRefused) as error:
        log.warning("order.expires_later", order_id=str(order.id), why=str(error))
        return False
    failpoint("order.payable_closed.before_expiry_recorded")
    async with runtime.database.begin() as session:
        await _record(session, closed, at=now)
    return True


async def _take(database: Database, now: datetime) -> Order | None:
    async with database.begin() as session:
        order_id = await orders.find_expired(session, now=now, soonest=AGAIN_SOONEST, latest=AGAIN_LATEST)
        return await orders.get(session, order_id) if order_id else None


async def _record(session: AsyncSession, closed: Closed, *, at: datetime) -> None:
    order = await orders.lock(session, closed.order_id)
    if closed.outcome is CloseOutcome.PAID and closed.payment_id is not None:
        await settlement.pay(session, order, closed.payment_id, at=at)
    elif closed.outcome is CloseOutcome.CLOSED and order.status is OrderStatus.PENDING:
        outbox.add(session, order.cancel(by=EXPIRER, reason=EXPIRED, at=at))
        await orders.save(session, order)
