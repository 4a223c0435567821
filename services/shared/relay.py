"""The relay: carries committed facts from the outbox to the broker, oldest first, in bulk, one relay per database.

The sidecar publishes a batch's letters side by side, so they may arrive in any order: who hears them goes by versions.

Lock, select and mark share one connection, so a relay that has lost its lock cannot mark. A takeover may publish twice;
inboxes absorb it. A serial cursor would skip late committers: rows are found by not being published.
"""

import asyncio
import json
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Protocol

import psycopg
import structlog
from psycopg.rows import dict_row

from services.shared import telemetry
from services.shared.connection import DEADLINES, Connection
from services.shared.failpoints import failpoint
from services.shared.sidecar import PUBSUB, BatchRefused, Letter, SidecarAway

CHANNEL = "outbox"
BATCH_ROWS = 500
BATCH_BYTES = 512 * 1024
POLL_SECONDS = 0.25
NUDGE_SECONDS = 0.01
LOCK = 0x0_51DE_CA27
"""The advisory lock's number: any constant, the same in every replica."""

_TRY_LOCK = "SELECT pg_try_advisory_lock(%s)"
_NEXT = """
SELECT id, event_id, topic, type, aggregate_id, at, data::text AS data, traceparent
FROM outbox WHERE published_at IS NULL ORDER BY id LIMIT %s
"""
_MARK = "UPDATE outbox SET published_at = now() WHERE id = ANY(%s)"

log = structlog.get_logger()


def application(pid: int) -> str:
    """What the relay of a process calls itself to the database, so that `pg_stat_activity` tells who holds the lock."""
    return f"relay of process {pid}"


class Publisher(Protocol):
    """Where letters go: the sidecar."""

    async def publish(self, topic: str, letters: Sequence[Letter]) -> set[str]:
        """Publish; answers the entry ids that the broker has.

        :raises BatchRefused: it has none, and nobody says for which letter's sake.
        :raises SidecarAway: nobody knows what it has.
        """
        ...


class Relay:
    """One of the relays of a database; whichever holds the lock works, the others wait to take over."""

    def __init__(self, url: str, publisher: Publisher, *, source: str) -> None:
        """`source` is the application id that events name as theirs."""
        self._url = url
        self._publisher = publisher
        self._source = source
        self._rows = BATCH_ROWS
        self._nudges: asyncio.Task[None] | None = None
        self._nudge_connection: psycopg.AsyncConnection[Any] | None = None

    async def run(self) -> None:
        """Work until cancelled; a lost connection is opened again, and no failure ends it: nobody else publishes."""
        while True:
            try:
                await self._session()
            except (psycopg.Error, OSError) as error:
                log.warning("relay.reconnects", error=type(error).__name__)
            except Exception as error:
                telemetry.TIMER_FAILURES.labels("relay").inc()
                log.exception("relay.failed", error=type(error).__name__)
            await asyncio.sleep(POLL_SECONDS)

    async def _session(self) -> None:
        connection = await Connection.connect(
            self._url,
            autocommit=True,
            row_factory=dict_row,
            options="-c idle_session_timeout=5s",
            application_name=application(os.getpid()),
            **DEADLINES,
        )
        async with connection:
            while not await _holds_lock(connection):  # noqa: ASYNC110 - the lock is another process's to give up
                await asyncio.sleep(POLL_SECONDS)
            await connection.execute(f"LISTEN {CHANNEL}")
            while True:
                if not await self.turn(connection):
                    async for _ in connection.notifies(timeout=POLL_SECONDS, stop_after=1):
                        pass

    async def turn(self, connection: psycopg.AsyncConnection[dict[str, Any]]) -> bool:
        """Publish what is due; answers whether there may be more at once.

        A broker that does not answer in time may be slow rather than away: the next turns try with fewer rows, down to
        one, because a batch that always takes too long would be published again and again and never be marked.
        """
        rows = await (await connection.execute(_NEXT, [self._rows])).fetchall()
        went = 0
        try:
            for topic, group in groupby(sorted(rows, key=lambda row: row["topic"]), key=lambda row: row["topic"]):
                for batch in _batches([self._letter(row) for row in group]):
                    went += await self._publish(connection, topic, batch)
        except SidecarAway:
            self._rows = max(1, min(self._rows, len(rows)) // 2)
            log.warning("relay.broker_is_away", rows=len(rows), next_rows=self._rows)
            return False
        self._rows = min(BATCH_ROWS, self._rows * 2)
        if rows and not went:
            log.warning("relay.broker_takes_nothing", rows=len(rows))
        return went > 0

    async def _publish(
        self, connection: psycopg.AsyncConnection[dict[str, Any]], topic: str, letters: Sequence[Letter]
    ) -> int:
        """Publish and mark at once: a session that idles while the next batches are on their way would be ended."""
        failpoint("relay.selected.before_publish")
        try:
            went = await self._publisher.publish(topic, letters)
        except BatchRefused:
            await self._mark(connection, topic, set())
            if len(letters) == 1:
                return 0
            halves = letters[: len(letters) // 2], letters[len(letters) // 2 :]
            return sum([await self._publish(connection, topic, half) for half in halves])
        if went:
            failpoint("relay.published.before_mark")
        await self._mark(connection, topic, went)
        return len(went)

    async def _mark(
        self, connection: psycopg.AsyncConnection[dict[str, Any]], topic: str, went: Collection[str]
    ) -> None:
        """Even if nothing went: refusal after refusal the session would idle, and with it the lock be lost."""
        await connection.execute(_MARK, [[int(entry_id) for entry_id in went]])
        telemetry.PUBLISHED.labels(topic).inc(len(went))

    def _letter(self, row: Mapping[str, Any]) -> Letter:
        cloud_event = {
            "specversion": "1.0",
            "id": str(row["event_id"]),
            "source": self._source,
            "type": row["type"],
            "topic": row["topic"],
            "pubsubname": PUBSUB,
            "time": row["at"].isoformat(),
            "datacontenttype": "application/json",
        }
        if row["traceparent"]:
            cloud_event |= {"traceparent": row["traceparent"], "traceid": row["traceparent"]}
        written = f'{json.dumps(cloud_event)[:-1]}, "data": {row["data"]}}}'.encode()
        return Letter(entry_id=str(row["id"]), partition_key=str(row["aggregate_id"]), cloud_event=written)

    def nudge(self) -> None:
        """Tell whichever relay holds the lock that facts were committed; at most once in 10 ms per process.

        Inside a transaction NOTIFY would take a server-wide lock at commit.
        """
        if self._nudges is None or self._nudges.done():
            self._nudges = asyncio.create_task(self._notify())

    async def _notify(self) -> None:
        await asyncio.sleep(NUDGE_SECONDS)
        try:
            if self._nudge_connection is None or self._nudge_connection.closed:
                self._nudge_connection = await Connection.connect(self._url, autocommit=True, **DEADLINES)
            await self._nudge_connection.execute(f"NOTIFY {CHANNEL}")
        except (psycopg.Error, OSError) as error:
            log.info("relay.nudge_failed", error=type(error).__name__, consequence="the next poll finds the facts")

    async def close(self) -> None:
        """Close what the nudges opened.

        First the connection: a nudge that hangs there would not end by being cancelled, the driver waits on.
        """
        if self._nudges is not None:
            self._nudges.cancel()
        if self._nudge_connection is not None:
            await self._nudge_connection.close()
        if self._nudges is not None:
            await asyncio.wait([self._nudges])


async def _holds_lock(connection: psycopg.AsyncConnection[dict[str, Any]]) -> bool:
    row = await (await connection.execute(_TRY_LOCK, [LOCK])).fetchone()
    return bool(row and row["pg_try_advisory_lock"])


def _batches(letters: Sequence[Letter]) -> Iterator[list[Letter]]:
    batch: list[Letter] = []
    size = 0
    for letter in letters:
        weight = len(letter.cloud_event)
        if batch and size + weight > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(letter)
        size += weight
    if batch:
        yield batch
