"""The outbox: the only door out. A fact is a row beside the change it tells of, in the same transaction."""

from datetime import datetime
from typing import Any

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
PRUNE = text("""
DELETE FROM outbox WHERE id = ANY(ARRAY(
    SELECT id FROM outbox WHERE published_at < :before AND topic NOT IN ('orders', 'payments', 'stock')
    ORDER BY published_at LIMIT :limit
))
RETURNING 1
""")
"""The condition on the topic is that of the index `outbox_to_prune`, word for word: it is used for no other."""


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


async def prune(session: AsyncSession, *, before: datetime, limit: int) -> int:
    """Delete published facts that need not be kept for ever, the oldest first; answers how many."""
    return len((await session.scalars(PRUNE, {"before": before, "limit": limit})).all())
