"""What a broker has lost is told again: consumers ask producers for what should have come by now."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import pytest
from pydantic import BaseModel
from structlog.testing import capture_logs

from services.contracts.answers import FactsAgain, FactsAsked, FactsMissed, PublishedFact, PublishedFacts
from services.contracts.events import (
    Event,
    NotificationSent,
    OpeningStockDeclared,
    StockSet,
    Topic,
    UserChanged,
    UserRegistered,
)
from services.shared import outbox
from services.shared.catching_up import MOST_AGAIN, CatchUp
from services.shared.pages import encode_cursor
from services.shared.pubsub import EventDoor
from services.shared.sidecar import SidecarAway
from services.shared.sidecar_double import SidecarDouble
from tests.service.doors import Client, Clock, Serve
from tests.service.shared.toy import Gone, Switch, create, door, level, user

EVERY = timedelta(seconds=30)
PEER = {"dapr-caller-app-id": "notification"}


async def asked(client: Client, position: str | None) -> tuple[list[str], str]:
    """What the toy as a producer answers about its users, and where the next question begins."""
    question = FactsAsked(topic=Topic.USERS, types=[UserRegistered.TYPE], position=position)
    answer = await client.post("/internal/facts", json=question.model_dump(mode="json"), headers=PEER)
    assert answer.status_code == 200, answer.text
    page = PublishedFacts.model_validate_json(answer.content)
    return [str(fact.event_id) for fact in page.facts], page.position


async def published(client: Client, *, minutes_ago: int) -> str:
    """A fact of the toy's that a relay has published so long ago."""
    lamp = uuid4()
    await client.post(f"/lamps/{lamp}")
    then = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    marking = "UPDATE outbox SET published_at = %s WHERE aggregate_id = %s RETURNING event_id"
    (row,) = await client.rows(marking, then, lamp)
    return str(row["event_id"])


def an_hour_ago() -> str:
    """The position of then."""
    return encode_cursor((datetime.now(UTC) - timedelta(hours=1)).isoformat(), 0)


async def test_a_producer_tells_what_should_have_been_handled_by_now_and_nothing_twice(serve: Serve) -> None:
    async with serve("toy", create) as client:
        start = an_hour_ago()
        old = [await published(client, minutes_ago=3), await published(client, minutes_ago=2)]
        await published(client, minutes_ago=0)

        first, position = await asked(client, start)
        second, _ = await asked(client, position)

        assert (first, second) == (old, [])


async def test_what_is_asked_for_again_is_published_again_and_told_again(serve: Serve) -> None:
    async with serve("toy", create) as client:
        start = an_hour_ago()
        lost = await published(client, minutes_ago=3)
        missed = FactsMissed(topic=Topic.USERS, event_ids=[UUID(lost), uuid4()]).model_dump(mode="json")

        answers = [(await client.post("/internal/facts/again", json=missed, headers=PEER)).json() for _ in range(2)]
        (row,) = await client.facts()
        waiting, _ = await asked(client, start)
        await client.rows("UPDATE outbox SET published_at = now() - interval '61 s'")
        again, _ = await asked(client, start)

        assert answers == [{"number": 1}, {"number": 0}]
        assert row["published_at"] is None
        assert waiting == []
        assert again == [lost]


async def test_whoever_begins_is_told_of_what_comes_from_now_on(serve: Serve) -> None:
    async with serve("toy", create) as client:
        await published(client, minutes_ago=5)

        nothing, position = await asked(client, None)
        still_nothing, _ = await asked(client, position)

        assert nothing == still_nothing == []


@pytest.mark.parametrize("position", ["", "x", "bm9uZQ"])
async def test_a_position_that_nobody_gave_is_refused(serve: Serve, position: str) -> None:
    async with serve("toy", create) as client:
        question = {"topic": "users", "types": ["user.registered"], "position": position}

        answer = await client.post("/internal/facts", json=question, headers=PEER)

        assert (answer.status_code, answer.json()["type"]) == (422, "invalid-cursor")


async def test_only_peers_are_told(serve: Serve) -> None:
    async with serve("toy", create) as client:
        question = {"topic": "users", "types": ["user.registered"]}

        assert (await client.post("/internal/facts", json=question)).status_code == 403


class Producers:
    """Every producer of what the toy hears: they tell these facts, and keep what they are asked for again."""

    def __init__(self, sidecar: SidecarDouble, *facts: Event, more: bool = False) -> None:
        self.facts, self.more = facts, more
        self.again: list[UUID] = []
        self.positions: dict[Topic, list[str | None]] = {}
        for producer in {topic.producer for topic in Topic}:
            sidecar.reply(producer, "POST", "/internal/facts", self.tell)
            sidecar.reply(producer, "POST", "/internal/facts/again", self.publish)

    def tell(self, question: BaseModel | None) -> BaseModel:
        assert isinstance(question, FactsAsked)
        seen = self.positions.setdefault(question.topic, [])
        seen.append(question.position)
        facts = [
            PublishedFact(event_id=fact.event_id, type=fact.TYPE)
            for fact in self.facts
            if question.topic == fact.TOPIC and fact.TYPE in question.types
        ]
        return PublishedFacts(facts=facts, position=f"{question.topic}/{len(seen)}", more=self.more)

    def publish(self, missed: BaseModel | None) -> BaseModel:
        assert isinstance(missed, FactsMissed)
        self.again += missed.event_ids
        return FactsAgain(number=len(missed.event_ids))


async def caught_up(client: Client, process: CatchUp | None = None) -> None:
    """Every topic that is due has been looked after, by a process that has begun just now or this one."""
    process = process or CatchUp(door(), every=EVERY)
    for _ in door().topics:
        assert await process.step(client.runtime)
    assert not await process.step(client.runtime)


def each_kind() -> Mapping[str, Event]:
    """An event for every kind of handler that the toy has, and one that nobody there hears."""
    now = datetime.now(UTC)
    return {
        "applied": user(),
        "shown": NotificationSent(
            version=1, at=now, notification_id=uuid4(), user_id=uuid4(), channel="email", template="paid"
        ),
        "applied together": level(uuid4(), 1),
        "refused": OpeningStockDeclared(version=1, at=now, declaration_id=uuid4(), levels=()),
        "not for us": user(kind=UserChanged),
    }


async def test_what_never_came_is_asked_for_again(serve: Serve, sidecar: SidecarDouble) -> None:
    async with serve("toy", create) as client:
        told = each_kind()
        producers = Producers(sidecar, *told.values())

        with capture_logs() as logs:
            await caught_up(client)

        assert set(producers.again) == {event.event_id for name, event in told.items() if name != "not for us"}
        assert {line["topic"] for line in logs if line["event"] == "facts.never_came"} == set(door().topics)


async def test_what_was_handled_in_whichever_way_is_not_asked_for_again(serve: Serve, sidecar: SidecarDouble) -> None:
    async with serve("toy", create) as client:
        told = each_kind()
        for event in told.values():
            assert await client.deliver(event) == "SUCCESS"
        producers = Producers(sidecar, *told.values())

        await caught_up(client)

        assert producers.again == []


async def test_what_failed_is_asked_for_again_unless_it_is_parked(serve: Serve, sidecar: SidecarDouble) -> None:
    async with serve("toy", create) as client:
        failed, parked = user(), user()
        Switch.failure = ZeroDivisionError()
        assert await client.deliver(failed) == await client.deliver(parked) == "RETRY"
        Switch.failure = None
        letter = {"id": str(parked.event_id), "type": parked.TYPE, "topic": parked.TOPIC, "data": {}}
        await client.post("/dead-letters", json=letter)
        producers = Producers(sidecar, failed, parked)

        await caught_up(client)

        assert producers.again == [failed.event_id]


async def test_a_batch_delivered_in_bulk_is_noted_whole(serve: Serve, sidecar: SidecarDouble) -> None:
    async with serve("toy", create) as client:
        events: list[StockSet] = [level(uuid4(), 1) for _ in range(3)]
        entries = [
            {"entryId": str(number), "event": {"type": one.TYPE, "data": one.model_dump(mode="json")}}
            for number, one in enumerate([*events, events[0]])
        ]
        await client.post("/events/stock", json={"entries": entries})
        producers = Producers(sidecar, *events)

        await caught_up(client)

        assert producers.again == []


async def test_the_next_question_begins_where_the_last_answer_ended(
    serve: Serve, sidecar: SidecarDouble, clock: Clock
) -> None:
    async with serve("toy", create) as client:
        producers, process = Producers(sidecar), CatchUp(door(), every=EVERY)

        await caught_up(client, process)
        clock.advance(seconds=EVERY.total_seconds())
        await caught_up(client, process)

        assert producers.positions == {topic: [None, f"{topic}/1"] for topic in door().topics}


async def test_a_process_that_starts_begins_where_the_last_facts_were_looked_at(
    serve: Serve, sidecar: SidecarDouble, clock: Clock
) -> None:
    async with serve("toy", create) as client:
        event, process = user(), CatchUp(door(), every=EVERY)
        producers = Producers(sidecar, event)
        for _ in range(2):
            await caught_up(client, process)
            clock.advance(seconds=EVERY.total_seconds())

        await caught_up(client)

        assert producers.positions[Topic.USERS] == [None, "users/1", "users/2"]
        assert producers.positions[Topic.STOCK] == [None, "stock/1", "stock/1"]


async def test_nothing_is_written_while_nothing_happens(serve: Serve, sidecar: SidecarDouble, clock: Clock) -> None:
    async with serve("toy", create) as client:
        Producers(sidecar)
        process = CatchUp(door(), every=EVERY)
        await caught_up(client, process)
        clock.advance(seconds=EVERY.total_seconds())
        kept = await client.rows("SELECT xmin::text, * FROM caught_up ORDER BY topic")

        await caught_up(client, process)

        assert len(kept) == len(door().topics)
        assert await client.rows("SELECT xmin::text, * FROM caught_up ORDER BY topic") == kept


async def test_a_producer_that_is_away_is_asked_the_same_again(
    serve: Serve, sidecar: SidecarDouble, clock: Clock
) -> None:
    async with serve("toy", create) as client:
        producers, process = Producers(sidecar), CatchUp(door(), every=EVERY)
        sidecar.is_away = True
        await caught_up(client, process)
        sidecar.is_away = False
        clock.advance(seconds=EVERY.total_seconds())

        await caught_up(client, process)

        assert producers.positions == {topic: [None] for topic in door().topics}


async def turns(client: Client, clock: Clock) -> None:
    """Many steps within less than the time after which a topic is asked about again."""
    process = CatchUp(door(), every=EVERY)
    for _ in range(20):
        clock.advance(milliseconds=1)
        await process.step(client.runtime)


async def test_many_that_came_are_read_at_once(serve: Serve, sidecar: SidecarDouble, clock: Clock) -> None:
    async with serve("toy", create) as client:
        event = user()
        await client.deliver(event)
        producers = Producers(sidecar, event, more=True)

        await turns(client, clock)

        assert {topic: len(asked) > 1 for topic, asked in producers.positions.items()} == dict.fromkeys(
            door().topics, True
        )


async def test_of_many_that_did_not_come_a_page_is_asked_for_at_a_time(
    serve: Serve, sidecar: SidecarDouble, clock: Clock
) -> None:
    async with serve("toy", create) as client:
        producers = Producers(sidecar, user(), more=True)

        await turns(client, clock)

        assert len(producers.positions[Topic.USERS]) == 1


async def test_of_very_many_that_did_not_come_some_are_asked_for_at_a_time(
    serve: Serve, sidecar: SidecarDouble, clock: Clock
) -> None:
    async with serve("toy", create) as client:
        producers, process = Producers(sidecar, *(user() for _ in range(MOST_AGAIN + 1))), CatchUp(door(), every=EVERY)

        await caught_up(client, process)
        clock.advance(seconds=EVERY.total_seconds())
        await caught_up(client, process)

        assert len(producers.again) == 2 * MOST_AGAIN
        assert producers.positions[Topic.USERS] == [None, None]


async def test_facts_that_cannot_be_asked_for_again_are_looked_at_again(
    serve: Serve, sidecar: SidecarDouble, clock: Clock
) -> None:
    async with serve("toy", create) as client:
        event, process = user(), CatchUp(door(), every=EVERY)
        producers = Producers(sidecar, event)
        sidecar.reply("user", "POST", "/internal/facts/again", SidecarAway())
        await caught_up(client, process)
        sidecar.reply("user", "POST", "/internal/facts/again", producers.publish)
        clock.advance(seconds=EVERY.total_seconds())

        await caught_up(client, process)

        assert producers.positions[Topic.USERS] == [None, None]
        assert producers.again == [event.event_id]


async def test_a_database_restored_under_a_living_process_is_caught_up_from_where_it_was(
    serve: Serve, sidecar: SidecarDouble, clock: Clock
) -> None:
    async with serve("toy", create) as client:
        producers, process = Producers(sidecar, user()), CatchUp(door(), every=EVERY)
        for _ in range(3):
            await caught_up(client, process)
            clock.advance(seconds=EVERY.total_seconds())
        await client.rows("UPDATE caught_up SET position = 'earlier' WHERE topic = 'users'")

        await caught_up(client, process)

        assert producers.positions[Topic.USERS] == [None, "users/1", "users/2", "earlier"]


async def test_a_quiet_topics_position_is_kept_every_hour(serve: Serve, sidecar: SidecarDouble, clock: Clock) -> None:
    async with serve("toy", create) as client:
        process = CatchUp(door(), every=EVERY)
        Producers(sidecar)
        await caught_up(client, process)
        clock.advance(hours=1)

        await caught_up(client, process)

        kept = await client.rows("SELECT position FROM caught_up WHERE topic = 'users'")
        assert kept == [{"position": "users/2"}]


async def test_a_producer_that_hears_itself_asks_its_own_tables(
    serve: Serve, sidecar: SidecarDouble, clock: Clock
) -> None:
    async with serve("toy", create) as client:
        client.runtime.app_id, process = "user", CatchUp(door(), every=EVERY)
        Producers(sidecar)
        await caught_up(client, process)
        await client.rows("UPDATE caught_up SET position = %s WHERE topic = 'users'", an_hour_ago())
        await published(client, minutes_ago=3)
        clock.advance(seconds=EVERY.total_seconds())

        await caught_up(client, process)

        (fact,) = await client.facts()
        assert fact["published_at"] is None
        assert "user" not in {call.app_id for call in sidecar.calls}


async def test_a_mark_that_is_seen_late_is_waited_for(serve: Serve) -> None:
    async with serve("toy", create) as client:
        await client.post(f"/lamps/{uuid4()}")
        async with await psycopg.AsyncConnection.connect(client.runtime.database.url) as marking:
            await marking.execute("UPDATE outbox SET published_at = now()")
            row = await (await marking.execute("SELECT published_at FROM outbox")).fetchone()
            async with client.runtime.database.begin() as session:
                horizon = await outbox.horizon(session, ago=timedelta(0))

        assert row is not None
        assert horizon <= row[0]


async def asked_again(client: Client, sidecar: SidecarDouble, events: EventDoor, event: Event) -> list[UUID]:
    """What is asked for again once an event was dispatched to this door."""
    await events.dispatch(client.runtime, {"type": event.TYPE, "data": event.model_dump(mode="json")})
    producers = Producers(sidecar, event)
    await CatchUp(events, every=EVERY).step(client.runtime)
    return producers.again


async def test_what_a_projection_refuses_is_not_asked_for_again(serve: Serve, sidecar: SidecarDouble) -> None:
    async with serve("toy", create) as client:
        event, refusing = user(), EventDoor()

        @refusing.project(UserRegistered)
        async def show(*_: object) -> None:
            raise Gone

        assert await asked_again(client, sidecar, refusing, event) == []


async def test_a_handler_behind_one_that_refused_is_not_forgotten(serve: Serve, sidecar: SidecarDouble) -> None:
    async with serve("toy", create) as client:
        event, two = user(), EventDoor()

        @two.on(UserRegistered)
        async def refuse(*_: object) -> None:
            raise Gone

        @two.on(UserRegistered)
        async def fail(*_: object) -> None:
            raise ZeroDivisionError

        assert await asked_again(client, sidecar, two, event) == [event.event_id]


async def test_what_was_applied_but_not_shown_is_asked_for_again(serve: Serve, sidecar: SidecarDouble) -> None:
    async with serve("toy", create) as client:
        event, both = user(), EventDoor()

        @both.on(UserRegistered)
        async def apply(*_: object) -> None:
            pass

        @both.project(UserRegistered)
        async def show(*_: object) -> None:
            raise ZeroDivisionError

        assert await asked_again(client, sidecar, both, event) == [event.event_id]
