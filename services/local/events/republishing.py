"""Publishing facts again: the outboxes keep them, so a broker that has lost everything is filled from there.

Whoever has handled a fact before changes nothing: the inboxes know it, and behind them versions and state tables do.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, LiteralString

import psycopg

from services.local.events.stores import Urls

BATCH_ROWS = 2_000
"""Rows of one transaction: the relay publishes them while the next ones are being found.

It takes the oldest first, so as many wait at most when the next ones come: what happens now is not kept waiting long.
"""

PAUSE_SECONDS = 0.1
"""How long the relay is left alone before it is asked again how far it is."""

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
_WAITING: LiteralString = """
SELECT count(*) FROM (SELECT FROM outbox WHERE published_at IS NULL LIMIT %(limit)s) AS unpublished
"""


def _pause() -> None:
    time.sleep(PAUSE_SECONDS)


def published(urls: Urls, *, since: datetime, topic: str | None = None) -> Mapping[str, int]:
    """How many facts the broker was given since then, by topic."""
    found: Counter[str] = Counter()
    for url in urls.values():
        with psycopg.connect(url) as connection:
            values = {"since": since, "topic": topic, "after": 0, "newest": _newest(connection)}
            found.update({row[0]: row[1] for row in connection.execute(_COUNT, values)})
    return found


def republish(
    urls: Urls, *, since: datetime, topic: str | None = None, pause: Callable[[], None] = _pause
) -> Mapping[str, int]:
    """Have the relays publish again, oldest first, what the broker was given since then; answers how many by topic.

    The facts that are published while this runs are left alone. Stopping half-way does no harm: run it again.

    :param pause: lets time pass while a relay has as much to publish as it is given at once.
    """
    found: Counter[str] = Counter()
    for url in urls.values():
        found += _republish_one(url, since, topic, pause)
    return found


def _republish_one(url: str, since: datetime, topic: str | None, pause: Callable[[], None]) -> Counter[str]:
    found: Counter[str] = Counter()
    with psycopg.connect(url, autocommit=True) as connection:
        values = {"since": since, "topic": topic, "after": 0, "newest": _newest(connection), "limit": BATCH_ROWS}
        while rows := _batch(connection, values, pause):
            found.update(topic for _, topic in rows)
            values["after"] = max(id_ for id_, _ in rows)
    return found


def _batch(connection: psycopg.Connection, values: Mapping[str, Any], pause: Callable[[], None]) -> list[Any]:
    """The next rows, once the relay has little left to publish."""
    while _number(connection, _WAITING, values) >= BATCH_ROWS:
        pause()
    return connection.execute(_AGAIN, values).fetchall()


def _newest(connection: psycopg.Connection) -> int:
    return _number(connection, _NEWEST, {})


def _number(connection: psycopg.Connection, query: LiteralString, values: Mapping[str, Any]) -> int:
    row = connection.execute(query, values).fetchone()
    return int(row[0]) if row else 0
