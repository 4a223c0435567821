"""Publishing facts again: the outboxes keep them, so a broker that has lost everything is filled from there.

Whoever has handled a fact before changes nothing: the inboxes know it, and behind them versions and state tables do.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import LiteralString

import psycopg

from services.local.events.stores import Urls

BATCH_ROWS = 2_000
"""Rows of one transaction: the relay publishes them while the next ones are being found."""

_NEWEST: LiteralString = "SELECT coalesce(max(id), 0) FROM outbox"
_PUBLISHED: LiteralString = """
FROM outbox WHERE id > %(after)s AND id <= %(newest)s
    AND published_at >= %(since)s AND topic = coalesce(%(topic)s, topic)
"""
_COUNT: LiteralString = f"SELECT topic, count(*) {_PUBLISHED} GROUP BY topic"
_AGAIN: LiteralString = f"""
UPDATE outbox SET published_at = NULL WHERE id IN (SELECT id {_PUBLISHED} ORDER BY id LIMIT %(limit)s)
RETURNING id, topic
"""  # noqa: S608 - fixed fragments


def published(urls: Urls, *, since: datetime, topic: str | None = None) -> Mapping[str, int]:
    """How many facts the broker was given since then, by topic."""
    found: Counter[str] = Counter()
    for url in urls.values():
        with psycopg.connect(url) as connection:
            values = {"since": since, "topic": topic, "after": 0, "newest": _newest(connection)}
            found.update({row[0]: row[1] for row in connection.execute(_COUNT, values)})
    return found


def republish(urls: Urls, *, since: datetime, topic: str | None = None) -> Mapping[str, int]:
    """Have the relays publish again, oldest first, what the broker was given since then; answers how many by topic.

    The facts that are published while this runs are left alone. Stopping half-way does no harm: run it again.
    """
    found: Counter[str] = Counter()
    for url in urls.values():
        found += _republish_one(url, since, topic)
    return found


def _republish_one(url: str, since: datetime, topic: str | None) -> Counter[str]:
    found: Counter[str] = Counter()
    with psycopg.connect(url, autocommit=True) as connection:
        values = {"since": since, "topic": topic, "after": 0, "newest": _newest(connection), "limit": BATCH_ROWS}
        while rows := connection.execute(_AGAIN, values).fetchall():
            found.update(topic for _, topic in rows)
            values["after"] = max(id_ for id_, _ in rows)
    return found


def _newest(connection: psycopg.Connection) -> int:
    row = connection.execute(_NEWEST).fetchone()
    return int(row[0]) if row else 0
