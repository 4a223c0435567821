"""The relay goes on whatever its broker does: slow, broken, away for long."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from services.shared import outbox, relay
from services.shared.relay import Relay
from services.shared.sidecar import Letter, SidecarAway
from tests.conditions import eventually
from tests.service.doors import Client, Serve
from tests.service.shared.test_outbox import connected, unpublished
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
