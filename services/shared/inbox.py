"""The inbox: a row per consumer and event, in the same transaction as the event's effect if it has one."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

_FIRST = text("INSERT INTO inbox (consumer, event_id) VALUES (:consumer, :event_id) ON CONFLICT DO NOTHING RETURNING 1")
_NOTE = text("""
INSERT INTO inbox (consumer, event_id) SELECT :consumer, unnest(CAST(:event_ids AS uuid[])) ON CONFLICT DO NOTHING
""")
_UNSEEN = text("""
SELECT DISTINCT event_id
FROM unnest(CAST(:consumers AS text[]), CAST(:event_ids AS uuid[])) AS told (consumer, event_id)
WHERE NOT EXISTS (
    SELECT FROM inbox
    WHERE inbox.consumer IN (told.consumer, told.consumer || '/refused') AND inbox.event_id = told.event_id
)
AND NOT EXISTS (SELECT FROM parked_letter WHERE parked_letter.id = told.event_id)
ORDER BY event_id
""")
PRUNE = text("""
DELETE FROM inbox WHERE ctid = ANY(ARRAY(SELECT ctid FROM inbox WHERE at < :before ORDER BY at LIMIT :limit))
RETURNING 1
""")


DOCUMENTS = "documents"
"""The consumer of what is shown."""


async def is_first(session: AsyncSession, consumer: str, event_id: UUID) -> bool:
    """Whether this consumer sees the event for the first time; waits for a transaction that is just handling it."""
    found = await session.execute(_FIRST, {"consumer": consumer, "event_id": event_id})
    return found.first() is not None


def refused(consumer: str) -> str:
    """Under which name it is noted that a consumer has refused; it may still take the event when it comes again."""
    return f"{consumer}/refused"


async def note(session: AsyncSession, consumer: str, event_ids: Iterable[UUID]) -> None:
    """Note events that a consumer has seen, whether or not for the first time; always in the same order."""
    await session.execute(_NOTE, {"consumer": consumer, "event_ids": sorted(event_ids)})


async def unseen(session: AsyncSession, told: Sequence[tuple[str, UUID]]) -> list[UUID]:
    """Those of the events that one of their consumers has neither seen, refused nor parked."""
    consumers, event_ids = [consumer for consumer, _ in told], [event_id for _, event_id in told]
    return list(await session.scalars(_UNSEEN, {"consumers": consumers, "event_ids": event_ids}))


async def prune(session: AsyncSession, *, before: datetime, limit: int) -> int:
    """Forget events that were handled before that, the oldest first; answers how many.

    Versions and state tables refuse them still.
    """
    return len((await session.scalars(PRUNE, {"before": before, "limit": limit})).all())
