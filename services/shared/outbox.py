"""The outbox: the only door out. A fact is a row beside the change it tells of, in the same transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.contracts.events import Event, Topic
from services.shared import telemetry

KEPT_FOR_EVER = frozenset({Topic.ORDERS, Topic.PAYMENTS, Topic.STOCK})
"""Topics whose outbox rows are the record of what happened; they carry no personal data."""

_ADDED = "facts"
_WRITE = text("""
INSERT INTO outbox (event_id, topic, type, aggregate_id, version, at, data, traceparent)
VALUES (:event_id, :topic, :type, :aggregate_id, :version, :at, CAST(:data AS jsonb), :traceparent)
""")
_HORIZON = text("""
SELECT least(now() - :ago, min(xact_start)) FROM pg_stat_activity
WHERE datname = current_database() AND backend_xid IS NOT NULL
""")
_PUBLISHED = text("""
SELECT event_id, type, published_at, id FROM outbox
WHERE (published_at, id) > (:published_at, :id) AND published_at < :until
    AND topic = :topic AND type = ANY(:types)
ORDER BY published_at, id LIMIT :limit
""")
_AGAIN = text("""
UPDATE outbox SET published_at = NULL
WHERE topic = :topic AND event_id = ANY(CAST(:event_ids AS uuid[])) AND published_at IS NOT NULL
RETURNING 1
""")
PRUNE = text("""
DELETE FROM outbox WHERE id = ANY(ARRAY(
    SELECT id FROM outbox WHERE published_at < :before AND topic NOT IN ('orders', 'payments', 'stock')
    ORDER BY published_at LIMIT :limit
))
RETURNING 1
""")
"""The condition on the topic is that of the index `outbox_to_prune`, word for word: it is used for no other."""


@dataclass(frozen=True, kw_only=True)
class Published:
    """A fact's name, and when a relay has noted that the broker has it, by the database's clock."""

    event_id: UUID
    type: str
    published_at: datetime
    id: int


def add(session: AsyncSession, *facts: Event) -> None:
    """Have facts written down when the transaction commits, to be published afterwards.

    A fact that is already there (same aggregate, type and version) makes the transaction fail: nothing happens twice.
    """
    session.info.setdefault(_ADDED, []).extend(map(_row, facts))


def _row(fact: Event) -> dict[str, Any]:
    return {
        "event_id": fact.event_id,
        "topic": fact.TOPIC,
        "type": fact.TYPE,
        "aggregate_id": fact.aggregate_id,
        "version": fact.version,
        "at": fact.at,
        "data": fact.model_dump_json(),
        "traceparent": telemetry.traceparent(),
    }


async def write(session: AsyncSession) -> bool:
    """Write down what was added, in one round trip and in that order; answers whether there was anything.

    Whoever commits calls this last.
    """
    added = session.info.pop(_ADDED, [])
    if added:
        await session.execute(_WRITE, added)
    return bool(added)


async def horizon(session: AsyncSession, *, ago: timedelta) -> datetime:
    """The moment so long ago, or an earlier one before which no mark is on its way to being seen.

    A mark says when it was begun, and is seen when it is committed: a synchronous receiver may be away in between.
    """
    found: datetime = (await session.scalars(_HORIZON, {"ago": ago})).one()
    return found


async def published(
    session: AsyncSession,
    topic: Topic,
    types: Sequence[str],
    *,
    after: tuple[datetime, int],
    until: datetime,
    limit: int,
) -> list[Published]:
    """Facts of a topic that were published after that moment and row and before the other moment, oldest first."""
    values = {"published_at": after[0], "id": after[1], "until": until, "limit": limit}
    rows = await session.execute(_PUBLISHED, values | {"topic": topic, "types": list(types)})
    return [Published(**row) for row in rows.mappings()]


async def publish_again(session: AsyncSession, topic: Topic, event_ids: Sequence[UUID]) -> int:
    """Have a relay publish facts once more; answers how many, without those that wait to be published anyway."""
    return len((await session.scalars(_AGAIN, {"topic": topic, "event_ids": list(event_ids)})).all())


async def prune(session: AsyncSession, *, before: datetime, limit: int) -> int:
    """Delete published facts that need not be kept for ever, the oldest first; answers how many."""
    return len((await session.scalars(PRUNE, {"before": before, "limit": limit})).all())
