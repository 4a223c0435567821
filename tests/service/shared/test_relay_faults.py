"""The relay goes on whatever its broker does: slow, broken, away for long."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from psycopg.pq import TransactionStatus

from services.shared import outbox, relay
from services.shared.relay import Relay
from services.shared.sidecar import Letter, SidecarAway
from services.shared.sidecar_double import SidecarDouble
from tests.conditions import eventually
from tests.service.doors import Client, Serve
from tests.service.shared.test_outbox import connected, turn, unpublished
from tests.service.shared.toy import create, user


async def write(client: Client, count: int) -> None:
    async with client.runtime.database.begin() as session:
        outbox.add(session, *(user() for _ in range(count)))


@asynccontextmanager
async def running(client: Client, broker: relay.Publisher) -> AsyncIterator[None]:
    one = Relay(client.runtime.database.url, broker, source="toy")
    task = asyncio.create_task(one.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await one.close()


class Broker:
    """Takes everything."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    async def publish(self, _: str, letters: Sequence[Letter]) -> set[str]:
        self.batches.append(len(letters))
        return {letter.entry_id for letter in letters}


class Broken(Broker):
    """Answers nonsense at first."""

    async def publish(self, topic: str, letters: Sequence[Letter]) -> set[str]:
        await super().publish(topic, letters)
        if len(self.batches) < 3:
            raise KeyError(topic)
        return {letter.entry_id for letter in letters}


class Slow(Broker):
    """Writes every entry to its disk in so much time that a large batch is given up before its answer comes."""

    async def publish(self, topic: str, letters: Sequence[Letter]) -> set[str]:
        await super().publish(topic, letters)
        if len(letters) > 3:
            raise SidecarAway
        return {letter.entry_id for letter in letters}


async def test_a_relay_outlives_what_nobody_has_thought_of(serve: Serve) -> None:
    async with serve("toy", create) as client:
        await write(client, 2)

        async with running(client, Broken()):
            await eventually(lambda: _none_left(client))


async def _none_left(client: Client) -> bool:
    return await unpublished(client) == 0


async def test_a_backlog_that_is_too_large_for_a_slow_broker_goes_in_smaller_batches(serve: Serve) -> None:
    async with serve("toy", create) as client:
        await write(client, 40)
        broker = Slow()

        async with running(client, broker):
            await eventually(lambda: _none_left(client))

        assert broker.batches[0] == 40
        assert max(broker.batches[-2:]) <= 4


async def test_what_the_broker_has_is_marked_even_when_the_rest_takes_longer_than_a_session_may_idle(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "BATCH_BYTES", 1)
    async with serve("toy", create) as client:
        await write(client, 3)
        first_went = asyncio.Event()

        class Sluggish(Broker):
            async def publish(self, topic: str, letters: Sequence[Letter]) -> set[str]:
                if self.batches:
                    first_went.set()
                    await asyncio.Event().wait()
                return await super().publish(topic, letters)

        async with connected(client) as connection:
            turning = asyncio.create_task(Relay(client.runtime.database.url, Sluggish(), source="toy").turn(connection))
            await first_went.wait()

            assert await unpublished(client) == 2
            turning.cancel()
            await asyncio.gather(turning, return_exceptions=True)


async def test_a_broker_that_is_away_is_not_asked_for_every_batch(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay, "BATCH_BYTES", 1)
    async with serve("toy", create) as client:
        await write(client, 3)
        asked = []

        class Away(Broker):
            async def publish(self, _: str, letters: Sequence[Letter]) -> set[str]:
                asked.append(len(letters))
                raise SidecarAway

        async with connected(client) as connection:
            assert not await Relay(client.runtime.database.url, Away(), source="toy").turn(connection)

        assert asked == [1]


class Deaf(Broker):
    """Is away behind a sidecar that is not: each letter is refused by its name."""

    async def publish(self, topic: str, letters: Sequence[Letter]) -> set[str]:
        await super().publish(topic, letters)
        return set()


async def test_a_broker_that_is_away_behind_a_sidecar_is_asked_once(serve: Serve) -> None:
    async with serve("toy", create) as client:
        await write(client, 9)
        broker = Deaf()

        assert not await turn(client, broker)

        assert broker.batches == [9]
        assert await unpublished(client) == 9


async def test_the_relays_session_is_used_after_each_batch_that_is_refused(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that idles is ended, and with it goes the lock."""
    monkeypatch.setattr(relay, "BATCH_BYTES", 1)
    async with serve("toy", create) as client:
        await write(client, 3)
        last: list[str] = []

        class Watched(Deaf):
            async def publish(self, topic: str, letters: Sequence[Letter]) -> set[str]:
                last.extend(row["query"].split()[0] for row in await client.rows(_OF_RELAY))
                return await super().publish(topic, letters)

        await turn(client, Watched())

        assert last == ["SELECT", "UPDATE", "UPDATE"]


_OF_RELAY = "SELECT query FROM pg_stat_activity WHERE query ~ 'published_at' AND pid <> pg_backend_pid()"


async def test_the_database_is_told_which_process_holds_the_lock(serve: Serve) -> None:
    async with serve("toy", create) as client, running(client, Broker()):
        (holder,) = await eventually(lambda: client.rows(_HOLDERS))

        assert holder["application_name"] == relay.application(os.getpid())


_HOLDERS = """
SELECT application_name FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND datname = current_database()
"""


async def test_a_connection_that_the_network_swallows_ends(serve: Serve) -> None:
    async with serve("toy", create) as client, client.runtime.database.engine.connect() as connection:
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        with socket.socket(fileno=os.dup(driver.fileno())) as line:
            assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 10_000
            assert line.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
            assert line.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 5


async def test_a_nudge_that_hangs_does_not_keep_a_service_from_stopping(serve: Serve, sidecar: SidecarDouble) -> None:
    async with serve("toy", create) as client:
        one = Relay(client.runtime.database.url, sidecar, source="toy")
        one.nudge()
        await eventually(lambda: _backend_of_nudges(client))
        backend = await _backend_of_nudges(client)
        os.kill(backend, signal.SIGSTOP)
        try:
            one.nudge()
            await eventually(lambda: _hangs(one))
            await asyncio.wait_for(one.close(), 10)
        finally:
            os.kill(backend, signal.SIGCONT)


async def _hangs(one: Relay) -> bool:
    connection = one._nudge_connection  # noqa: SLF001 - the server cannot be asked
    return connection is not None and connection.info.transaction_status is TransactionStatus.ACTIVE


async def _backend_of_nudges(client: Client) -> int:
    rows = await client.rows("SELECT pid FROM pg_stat_activity WHERE query ~ '^NOTIFY' AND state = 'idle'")
    return rows[0]["pid"] if rows else 0
