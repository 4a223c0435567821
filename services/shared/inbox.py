"""The inbox: a row per consumer and event, in the same transaction as the event's effect."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_FIRST = text("INSERT INTO inbox (consumer, event_id) VALUES (:consumer, :event_id) ON CONFLICT DO NOTHING RETURNING 1")
_PRUNE = text("DELETE FROM inbox WHERE at < now() - make_interval(days => :days)")


async def is_first(session: AsyncSession, consumer: str, event_id: UUID) -> bool:
    """Whether this consumer sees the event for the first time; waits for a transaction that is just handling it."""
    found = await session.execute(_FIRST, {"consumer": consumer, "event_id": event_id})
    return found.first() is not None


async def prune(session: AsyncSession, *, days: int) -> None:
    """Forget events handled longer ago than `days`; versions and state tables refuse them still."""
    await session.execute(_PRUNE, {"days": days})
