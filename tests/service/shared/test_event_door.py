"""The event door applies an event once, and tells the broker the truth about it."""

import asyncio
from collections.abc import Awaitable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID, uuid4

import psycopg
import pytest
import sqlalchemy.exc
from prometheus_client import REGISTRY
from sqlalchemy.ext.asyncio import AsyncSession
from structlog.testing import capture_logs

from services.contracts.events import (
    Event,
    NotificationSent,
    OpeningStockDeclared,
    StockSet,
    UserChanged,
    UserRegistered,
)
from services.shared.documents import Documents
from services.shared.errors import TooEarly, Unavailable
from services.shared.pubsub import EventDoor, Outcome
from tests.service.doors import Client, Serve
from tests.service.shared.toy import Gone, Switch, create, level, user

Taken = TypeVar("Taken")


@pytest.fixture(autouse=True)
def no_failure() -> Iterator[None]:
    yield
    Switch.failure = None


async def seen(client: Client) -> list[int]:
    return [row["seen"] for row in await client.rows("SELECT seen FROM lamp ORDER BY seen")]


async def test_an_event_is_applied_once_however_often_it_comes(serve: Serve) -> None:
    async with serve("toy", create) as client:
        event = user()

        answers = await asyncio.gather(*(client.deliver(event) for _ in range(5)))

        assert answers == ["SUCCESS"] * 5
        assert await seen(client) == [1]


@pytest.mark.parametrize(
    ("failure", "answer"),
    [
        (TooEarly(), "RETRY"),
        (Unavailable(), "RETRY"),
        (sqlalchemy.exc.OperationalError("", {}, Exception()), "RETRY"),
        (ZeroDivisionError(), "RETRY"),
        (Gone(), "SUCCESS"),
    ],
)
async def test_a_handler_that_fails_leaves_nothing_behind(serve: Serve, failure: BaseException, answer: str) -> None:
    async with serve("toy", create) as client:
        event, Switch.failure = user(), failure

        assert await client.deliver(event) == answer
        assert await seen(client) == []
        Switch.failure = None
        assert await client.deliver(event) == "SUCCESS"
        assert await seen(client) == [1]


async def test_an_answer_that_was_cut_off_never_reads_as_handled(serve: Serve) -> None:
    """Sidecars take any 2xx whose body they cannot read for a success: only what was handled is one."""
    async with serve("toy", create) as client:
        event, Switch.failure = user(), TooEarly()
        letter = {"id": str(event.event_id), "type": event.TYPE, "data": event.model_dump(mode="json")}

        again = await client.post("/events/users", json=letter)
        Switch.failure = None
        handled = await client.post("/events/users", json=letter)
        dropped = await client.post("/events/users", content=b"{")

        assert (again.status_code, again.json()) == (503, {"status": "RETRY"})
        assert (dropped.status_code, dropped.json()) == (404, {"status": "DROP"})
        assert (handled.status_code, handled.json()) == (200, {"status": "SUCCESS"})


async def test_an_event_that_cannot_be_parsed_is_dropped_to_the_dead_letters(serve: Serve) -> None:
    async with serve("toy", create) as client:
        assert await client.deliver(user(), data={"version": "none"}) == "DROP"
        assert (await client.post("/events/users", content=b"{")).json() == {"status": "DROP"}
        assert (await client.post("/events/users", content=b"[]")).json() == {"status": "DROP"}


async def test_events_for_others_and_fields_of_newer_producers_are_tolerated(serve: Serve) -> None:
    async with serve("toy", create) as client:
        event = user()

        assert await client.deliver(user(kind=UserChanged)) == "SUCCESS"
        assert await client.deliver(event, data=event.model_dump(mode="json") | {"planet": "Mars"}) == "SUCCESS"
        assert await client.deliver(user(), type="user.promoted") == "SUCCESS"
        assert await seen(client) == [1]


@pytest.mark.parametrize("kind", [b'"\\ud800"', b"[1]"])
async def test_an_event_of_an_unspeakable_type_leaves_the_metrics_readable(serve: Serve, kind: bytes) -> None:
    async with serve("toy", create) as client:
        await client.post("/events/users", content=b'{"type": %b, "data": {}}' % kind)

        assert (await client.get("/metrics")).status_code == 200


async def test_what_is_not_acceptable_any_more_is_done(serve: Serve) -> None:
    async with serve("toy", create) as client:
        declared = OpeningStockDeclared(version=1, at=datetime.now(UTC), declaration_id=uuid4(), levels=())

        assert await client.deliver(declared) == "SUCCESS"


async def test_a_projection_written_twice_is_written_once(serve: Serve) -> None:
    async with serve("toy", create) as client:
        sent = NotificationSent(
            version=1, at=datetime.now(UTC), notification_id=uuid4(), user_id=uuid4(), channel="email", template="paid"
        )

        assert [await client.deliver(sent), await client.deliver(sent)] == ["SUCCESS", "SUCCESS"]

        assert [one.body for one in await client.runtime.documents.find("shown", "all", limit=10)] == [
            {"template": "paid"}
        ]


def bulk(*events: StockSet, **change: object) -> dict[str, Any]:
    entries = [
        {
            "entryId": str(number),
            "event": {"id": str(uuid4()), "type": "stock.set", "data": event.model_dump(mode="json") | change},
        }
        for number, event in enumerate(events)
    ]
    return {"entries": entries}


async def test_events_in_bulk_are_answered_one_by_one(serve: Serve) -> None:
    async with serve("toy", create) as client:
        one, other = level(uuid4(), 1), level(uuid4(), 1)
        refused = level(uuid4(), 1).model_copy(update={"change": -1})

        together = await client.post("/events/stock", json=bulk(one, other))
        apart = await client.post("/events/stock", json=bulk(one, refused))

        assert [status["status"] for status in together.json()["statuses"]] == ["SUCCESS", "SUCCESS"]
        assert [status["status"] for status in apart.json()["statuses"]] == ["SUCCESS", "RETRY"]
        assert await seen(client) == [1, 2]
        assert await client.deliver(one) == "SUCCESS"


async def test_the_sidecar_is_told_every_topic_and_the_dead_letters(serve: Serve) -> None:
    async with serve("toy", create) as client:
        found = {one["topic"]: one for one in (await client.get("/dapr/subscribe")).json()}

        assert set(found) == {"users", "stock", "opening-stock", "notifications", "dead-letters.toy"}
        assert found["users"]["deadLetterTopic"] == "dead-letters.toy"
        assert found["stock"]["bulkSubscribe"]["enabled"]
        assert "deadLetterTopic" not in found["dead-letters.toy"]


class Picky:
    """A door with one handler that refuses what is not wanted any more, and others behind it."""

    def __init__(self) -> None:
        self.door, self.kept = EventDoor(), list[UUID]()
        self.door.on(UserRegistered)(self.refuse)
        self.door.on(UserRegistered)(self.keep)
        self.door.project(UserRegistered)(self.show)
        self.door.in_bulk(StockSet)(self.keep_all)

    async def refuse(self, *_: object) -> None:
        raise Gone

    async def keep(self, _: AsyncSession, event: UserRegistered) -> None:
        self.kept.append(event.user_id)

    async def show(self, _: Documents, event: UserRegistered) -> None:
        self.kept.append(event.user_id)

    async def keep_all(self, _: AsyncSession, events: Sequence[StockSet]) -> None:
        if any(event.change < 0 for event in events):
            raise Gone
        self.kept += [event.product_id for event in events]


def letter(event: Event) -> dict[str, Any]:
    return {"type": event.TYPE, "data": event.model_dump(mode="json")}


async def counting(taking: Awaitable[Taken], kind: str) -> tuple[Taken, dict[str, float]]:
    """What an event door answers, and how many events of this type it counts by how they ended."""
    before = {outcome: counted(kind, outcome) for outcome in Outcome}
    answer = await taking
    return answer, {one: more for one, then in before.items() if (more := counted(kind, one) - then)}


def counted(kind: str, outcome: Outcome) -> float:
    return REGISTRY.get_sample_value("events_handled_total", {"type": kind, "answer": outcome}) or 0


async def test_a_handler_that_refuses_does_not_keep_an_event_from_the_others(serve: Serve) -> None:
    async with serve("toy", create) as client:
        picky, event = Picky(), user()

        with capture_logs() as logs:
            answer, counted = await counting(picky.door.dispatch(client.runtime, letter(event)), event.TYPE)

        assert (answer, picky.kept) == ("SUCCESS", [event.user_id, event.user_id])
        assert counted == {"REFUSED": 1}
        assert [(line["log_level"], line["why"]) for line in logs if line["event"] == "event.refused"] == [
            ("error", "gone")
        ]


async def test_one_refused_event_does_not_take_those_beside_it_along(serve: Serve) -> None:
    async with serve("toy", create) as client:
        picky, good = Picky(), level(uuid4(), 1)
        refused = level(uuid4(), 1).model_copy(update={"change": -1})
        letters = [letter(good), letter(refused)]

        answers, counted = await counting(picky.door.dispatch_bulk(client.runtime, letters), good.TYPE)

        assert (answers, picky.kept) == (["SUCCESS", "SUCCESS"], [good.product_id])
        assert counted == {"SUCCESS": 1, "REFUSED": 1}


async def test_a_batch_that_finds_its_store_away_waits_for_it_once(serve: Serve) -> None:
    async with serve("toy", create) as client:
        door, tried = EventDoor(), list[int]()
        letters = [letter(level(uuid4(), 1)) for _ in range(3)]

        @door.in_bulk(StockSet)
        async def keep(_: AsyncSession, events: Sequence[StockSet]) -> None:
            tried.append(len(events))
            raise psycopg.OperationalError

        answers, counted = await counting(door.dispatch_bulk(client.runtime, letters), StockSet.TYPE)

        assert (answers, tried, counted) == (["RETRY"] * 3, [3], {"AWAY": 3})


async def test_what_is_no_event_at_all_is_dropped_from_a_batch(serve: Serve) -> None:
    async with serve("toy", create) as client:
        batch = bulk(level(uuid4(), 1))
        batch["entries"].append({"entryId": "raw", "event": "AAAA"})

        statuses = (await client.post("/events/stock", json=batch)).json()["statuses"]

        assert [status["status"] for status in statuses] == ["SUCCESS", "DROP"]
        assert await seen(client) == [1]
