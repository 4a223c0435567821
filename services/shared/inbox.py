"""The inbox: a row per consumer and event, in the same transaction as the event's effect."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_FIRST = text("INSERT INTO inbox (consumer, event_id) VALUES (:consumer, :event_id) ON CONFLICT DO NOTHING RETURNING 1")
PRUNE = text("""
DELETE FROM inbox WHERE ctid = ANY(ARRAY(SELECT ctid FROM inbox WHERE at < :before ORDER BY at LIMIT :limit))
RETURNING 1
""")


async def is_first(session: AsyncSession, consumer: str, event_id: UUID) -> bool:
    """Whether this consumer sees the event for the first time; waits for a transaction that is just handling it."""
    found = await session.execute(_FIRST, {"consumer": consumer, "event_id": event_id})
    return found.first() is not None


async def prune(session: AsyncSession, *, before: datetime, limit: int) -> int:
    """Forget events that were handled before that, the oldest first; answers how many.

    Versions and state tables refuse them still.
    """
    return len((await session.scalars(PRUNE, {"before": before, "limit": limit})).all())
