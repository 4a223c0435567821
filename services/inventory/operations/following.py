"""Following holds whose orders may have gone on without them: news gets lost on its way, so the order is asked.

An order that was placed is asked about once it should be paid or cancelled, one that was paid until its parcel leaves.
Without this, stock would stay reserved for ever, or be missing, where a broker has lost what it had accepted.
"""

from datetime import datetime, timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from services.contracts.answers import PayableOrder
from services.inventory import clients, store
from services.inventory.operations import holds
from services.inventory.operations.asking import ACTOR
from services.shared.database import Database
from services.shared.sidecar import Sidecar, SidecarAway

AGAIN_AFTER = timedelta(seconds=60)
"""An order that does not answer, or is still pending (its payment takes long), is asked again after this long."""
_ENDED = frozenset({"cancelled", "refunded"})

log = structlog.get_logger()


async def follow_one(database: Database, sidecar: Sidecar, *, now: datetime) -> bool:
    """Ask about the placed hold that is longest due and do as its order says; False when none was answered."""
    async with database.begin() as session:
        order_id = await store.claim_followed(session, now=now, again_at=now + AGAIN_AFTER)
    if order_id is None:
        return False
    try:
        order = await clients.ask_order(sidecar, order_id)
    except SidecarAway:
        return False
    async with database.begin() as session:
        await _follow(session, order, now)
    return True


async def _follow(session: AsyncSession, order: PayableOrder, now: datetime) -> None:
    moved = None
    if order.has_left or order.status == "paid":
        moved = await holds.commit(session, order.order_id, order_version=order.version, actor=ACTOR, at=now)
    elif order.status in _ENDED:
        moved = await holds.release(session, order.order_id, order_version=order.version, actor=ACTOR, at=now)
    if moved is not None:
        log.warning("hold.followed", order_id=str(order.order_id), order_is=order.status, hold_is=moved)
    if order.has_left:
        await store.follow_no_more(session, order.order_id)
    else:
        await store.put_off(session, order.order_id, now=now)
