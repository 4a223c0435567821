"""Asking about holds that nobody has placed. The order service's answer is final, so no clock decides about stock."""

from datetime import datetime, timedelta
from uuid import UUID

from services.contracts.answers import Placement, PlacementOutcome
from services.inventory import clients, store
from services.inventory.operations import holds
from services.shared.database import Database
from services.shared.failpoints import failpoint
from services.shared.sidecar import Sidecar, SidecarAway

AGAIN_AFTER = timedelta(seconds=15)
"""How long an answer that did not come is waited for before asking again."""
ACTOR = "service:inventory"


async def ask_about_one(database: Database, sidecar: Sidecar, *, now: datetime) -> bool:
    """Ask about the unplaced hold that is longest due and do as the answer says; False when none was settled."""
    async with database.begin() as session:
        order_id = await store.claim_due(session, now=now, again_at=now + AGAIN_AFTER)
    if order_id is None:
        return False
    failpoint("hold.claimed.before_asked")
    try:
        placement = await clients.ask_placement(sidecar, order_id)
    except SidecarAway:
        return False
    failpoint("hold.asked.before_settled")
    await _settle(database, order_id, placement, now)
    return True


async def _settle(database: Database, order_id: UUID, placement: Placement, now: datetime) -> None:
    async with database.begin() as session:
        if placement.outcome is PlacementOutcome.PLACED:
            await holds.confirm(session, order_id, order_version=0, at=now)
        else:
            await holds.release(session, order_id, order_version=0, actor=ACTOR, at=now)
