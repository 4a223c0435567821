"""A letter that could not be handled is parked, dispatched again for a day, and only then dead."""

import asyncio
from collections.abc import Iterator

import pytest

from services.contracts.events import UserRegistered
from services.local.events import letters
from services.shared.dead_letters import dispatch_one
from services.shared.errors import TooEarly
from tests.service.doors import Client, Clock, Serve
from tests.service.shared.toy import Switch, create, door, user


@pytest.fixture(autouse=True)
def no_failure() -> Iterator[None]:
    yield
    Switch.failure = None


async def park(client: Client, **change: object) -> None:
    event = user()
    letter = {
        "id": str(event.event_id),
        "type": event.TYPE,
        "topic": event.TOPIC,
        "data": event.model_dump(mode="json"),
    }
    for _ in range(2):
        assert (await client.post("/dead-letters", json=letter | change)).json() == {"status": "SUCCESS"}


async def parked(client: Client) -> list[tuple[str, int]]:
    return [(row["state"], row["attempts"]) for row in await client.rows("SELECT state, attempts FROM parked_letter")]


async def test_a_parked_letter_is_dispatched_again_and_gone_when_it_succeeds(serve: Serve, clock: Clock) -> None:
    async with serve("toy", create) as client:
        await park(client)
        assert not await dispatch_one(client.runtime, door())
        clock.advance(seconds=1)

        assert await dispatch_one(client.runtime, door())

        assert await parked(client) == []
        assert [row["seen"] for row in await client.rows("SELECT seen FROM lamp")] == [1]


async def test_it_is_tried_with_growing_delays_and_dead_after_a_day(serve: Serve, clock: Clock) -> None:
    async with serve("toy", create) as client:
        await park(client)
        Switch.failure = ZeroDivisionError()
        delays = []
        while (await parked(client))[0][0] == "parked":
            began = clock.now
            (row,) = await client.rows("SELECT next_at FROM parked_letter")
            clock.now = row["next_at"]
            delays.append((clock.now - began).total_seconds())
            assert await dispatch_one(client.runtime, door())

        assert delays[:5] == [1, 2, 4, 8, 16]
        assert max(delays) == 3600
        assert 24 * 3600 <= sum(delays) <= 25 * 3600 + 1
        assert not await dispatch_one(client.runtime, door())


async def test_a_day_in_which_nobody_could_try_it_does_not_kill_a_letter(serve: Serve, clock: Clock) -> None:
    async with serve("toy", create) as client:
        await park(client)
        clock.advance(hours=60)
        Switch.failure = TooEarly()
        assert await dispatch_one(client.runtime, door())
        assert await parked(client) == [("parked", 1)]

        Switch.failure = None
        clock.advance(seconds=2)
        assert await dispatch_one(client.runtime, door())

        assert await parked(client) == []


async def test_a_letter_that_is_replayed_while_it_is_tried_is_tried_again(serve: Serve, clock: Clock) -> None:
    async with serve("toy", create) as client:
        await park(client)
        await client.rows("UPDATE parked_letter SET attempts = 34")
        clock.advance(hours=24)
        busy = door()

        @busy.on(UserRegistered)
        async def ask_for_a_replay(*_: object) -> None:
            letters.replay({"toy": client.runtime.database.url}, None)
            raise TooEarly

        await dispatch_one(client.runtime, busy)

        assert await parked(client) == [("parked", 0)]
        assert await dispatch_one(client.runtime, door())
        assert await parked(client) == []


UNPARSABLE = {
    "half a document": b"{",
    "not an event": b'{"id": "none", "type": "user.registered", "data": 3}',
    "a NUL": b'{"id": "00000000-0000-4000-8000-000000000001", "type": "a", "data": "\\u0000"}',
    "a NUL in its topic": b'{"type": "a", "topic": "\\u0000"}',
    "half a surrogate pair": b'{"type": "a", "data": "\\ud800"}',
    "no number": b'{"type": "a", "data": NaN}',
    "too deep": b'{"type": "a", "data": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
}


@pytest.mark.parametrize("content", UNPARSABLE.values(), ids=UNPARSABLE)
async def test_a_letter_that_cannot_be_parsed_is_kept_and_dead_at_once(
    serve: Serve, clock: Clock, content: bytes
) -> None:
    async with serve("toy", create) as client:
        assert (await client.post("/dead-letters", content=content)).json() == {"status": "SUCCESS"}
        clock.advance(seconds=1)

        await dispatch_one(client.runtime, door())

        assert await parked(client) == [("dead", 1)]


async def test_a_letter_is_kept_however_deep_it_is_nested(serve: Serve) -> None:
    async with serve("toy", create) as client:
        for depth in range(880, 980):
            content = b'{"type": "a", "data": ' + b"[" * depth + b"]" * depth + b"}"
            assert (await client.post("/dead-letters", content=content)).status_code == 200, depth


async def test_a_letter_whose_dispatching_kills_the_process_does_not_block_the_others(
    serve: Serve, clock: Clock
) -> None:
    async with serve("toy", create) as client:
        await park(client)
        clock.advance(seconds=1)
        deadly = door()

        @deadly.on(UserRegistered)
        async def die(*_: object) -> None:
            raise asyncio.CancelledError

        with pytest.raises(asyncio.CancelledError):
            await dispatch_one(client.runtime, deadly)
        await park(client)

        clock.advance(seconds=1)
        assert await dispatch_one(client.runtime, door())
        assert await parked(client) == [("parked", 1)]
        clock.advance(minutes=1)
        assert await dispatch_one(client.runtime, door())
        assert await parked(client) == []


async def test_a_letter_is_not_held_in_a_transaction_while_it_is_handled(serve: Serve, clock: Clock) -> None:
    async with serve("toy", create) as client:
        await park(client)
        clock.advance(seconds=1)
        seen, looking = [], door()

        @looking.on(UserRegistered)
        async def look(*_: object) -> None:
            seen.extend(await client.rows("SELECT id FROM parked_letter FOR UPDATE SKIP LOCKED"))

        await dispatch_one(client.runtime, looking)

        assert len(seen) == 1
