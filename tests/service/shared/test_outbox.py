"""A fact is written with its change, published once committed, and never skipped."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest
import sqlalchemy.exc
from psycopg.rows import dict_row

from services.shared import outbox, relay, service, telemetry
from services.shared.pubsub import EventDoor
from services.shared.relay import Relay
from services.shared.sidecar import BatchRefused, Letter, SidecarAway
from services.shared.sidecar_double import SidecarDouble
from services.shared.timers import Timer
from tests.conditions import eventually
from tests.service.doors import Client, Serve
from tests.service.shared.toy import create, user


@asynccontextmanager
async def connected(client: Client) -> AsyncIterator[psycopg.AsyncConnection[dict[str, Any]]]:
    async with await psycopg.AsyncConnection.connect(
        client.runtime.database.url, autocommit=True, row_factory=dict_row
    ) as connection:
        yield connection


async def turn(client: Client, publisher: Any) -> bool:
    async with connected(client) as connection:
        return await Relay(client.runtime.database.url, publisher, source="toy").turn(connection)


async def unpublished(client: Client) -> int:
    return len(await client.rows("SELECT 1 FROM outbox WHERE published_at IS NULL"))


async def test_a_fact_that_is_already_there_undoes_the_whole_change(serve: Serve) -> None:
    async with serve("toy", create) as client:
        lamp = uuid4()
        assert (await client.post(f"/lamps/{lamp}")).status_code == 200

        again = await client.post(f"/lamps/{lamp}")

        assert again.status_code == 500
        assert [row["seen"] for row in await client.rows("SELECT seen FROM lamp")] == [1]


async def test_facts_are_written_in_the_order_in_which_they_were_added(serve: Serve) -> None:
    async with serve("toy", create) as client:
        told = [user() for _ in range(5)]

        async with client.runtime.database.begin() as session:
            outbox.add(session, *told[:2])
            outbox.add(session)
            outbox.add(session, *told[2:])

        assert [fact["data"] for fact in await client.facts()] == [one.model_dump(mode="json") for one in told]


async def test_a_transaction_that_fails_at_commit_is_not_answered_as_done(serve: Serve) -> None:
    async with serve("toy", create) as client:
        await client.rows("CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$")
        await client.rows(
            "CREATE CONSTRAINT TRIGGER no AFTER INSERT ON lamp DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION no()"
        )
        try:
            answer = await client.post(f"/lamps/{uuid4()}")
        finally:
            await client.rows("DROP FUNCTION no CASCADE")

        assert answer.status_code == 500
        assert await client.facts() == []


async def test_a_fact_is_published_as_a_cloud_event_with_its_trace(serve: Serve, sidecar: SidecarDouble) -> None:
    async with serve("toy", create) as client:
        parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        lamp = uuid4()
        await client.post(f"/lamps/{lamp}", headers={"traceparent": parent})

        assert await turn(client, sidecar)

        ((topic, letter),) = sidecar.published
        assert (topic, letter.partition_key) == ("users", str(lamp))
        event = json.loads(letter.cloud_event)
        assert (event["id"], event["type"], event["source"]) == (str(user(id_=lamp).event_id), "user.registered", "toy")
        assert (event["traceparent"], event["data"]["user_id"]) == (parent, str(lamp))
        assert not await turn(client, sidecar)


async def test_late_committers_are_not_skipped(serve: Serve, sidecar: SidecarDouble) -> None:
    async with serve("toy", create) as client:
        async with client.runtime.database.begin() as late:
            outbox.add(late, user())
            await outbox.write(late)
            await client.post(f"/lamps/{uuid4()}")
            await turn(client, sidecar)
            assert len(sidecar.published) == 1

        await turn(client, sidecar)

        assert len(sidecar.published) == 2
        assert await unpublished(client) == 0


class Choosy:
    """A broker that refuses batches with a poisonous letter, without saying which."""

    def __init__(self, poison: set[str], *, names: bool) -> None:
        self.poison, self.names, self.batches = poison, names, 0

    async def publish(self, _: str, letters: Sequence[Letter]) -> set[str]:
        self.batches += 1
        sent = {letter.entry_id for letter in letters}
        if sent & self.poison and not self.names:
            raise BatchRefused
        return sent - self.poison


@pytest.mark.parametrize("names", [True, False])
async def test_one_letter_that_the_broker_refuses_does_not_hold_up_the_rest(serve: Serve, *, names: bool) -> None:
    async with serve("toy", create) as client:
        async with client.runtime.database.begin() as session:
            outbox.add(session, *(user() for _ in range(9)))

        assert await turn(client, Choosy({"4"}, names=names))

        assert [row["id"] for row in await client.rows("SELECT id FROM outbox WHERE published_at IS NULL")] == [4]


async def test_a_broker_that_is_away_marks_nothing(serve: Serve, sidecar: SidecarDouble) -> None:
    async with serve("toy", create) as client:
        await client.post(f"/lamps/{uuid4()}")
        sidecar.is_away = True

        assert not await turn(client, sidecar)

        assert await unpublished(client) == 1


async def test_a_batch_is_at_most_half_a_mebibyte(serve: Serve) -> None:
    async with serve("toy", create) as client:
        big = user().model_copy(update={"first_name": "x" * 200_000})
        async with client.runtime.database.begin() as session:
            outbox.add(session, *(big.model_copy(update={"user_id": uuid4()}) for _ in range(5)))
        broker = Choosy(set(), names=True)

        await turn(client, broker)

        assert broker.batches == 3
        assert await unpublished(client) == 0


async def test_the_relay_hears_of_a_commit_and_one_of_two_works(serve: Serve, sidecar: SidecarDouble) -> None:
    async with serve("toy", create) as client:
        relays = [Relay(client.runtime.database.url, sidecar, source="toy") for _ in range(2)]
        tasks = [asyncio.create_task(one.run()) for one in relays]
        client.runtime.database.after_facts = relays[0].nudge
        for _ in range(3):
            await client.post(f"/lamps/{uuid4()}")

        await eventually(lambda: _all_published(client, 3))
        await _end_relay_sessions(client)
        await client.post(f"/lamps/{uuid4()}")
        await eventually(lambda: _all_published(client, 4))

        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await relays[0].close()
        await relays[1].close()
        assert {letter.entry_id for _, letter in sidecar.published} == {"1", "2", "3", "4"}


async def _all_published(client: Client, count: int) -> bool:
    return await unpublished(client) == 0 and len(await client.facts()) == count


async def _end_relay_sessions(client: Client) -> None:
    await client.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objid = %s",
        relay.LOCK & 0xFFFFFFFF,
    )


async def test_a_nudge_without_a_database_is_only_noted(sidecar: SidecarDouble) -> None:
    away = Relay("postgresql://nobody@127.0.0.1:1/none", sidecar, source="toy")

    away.nudge()
    away.nudge()

    await away.close()


async def test_a_service_publishes_what_it_commits_by_itself(serve: Serve, sidecar: SidecarDouble) -> None:
    async with serve("toy", create) as client:
        client.runtime.works_in_background = True
        async with service.background(client.runtime, EventDoor(), []):
            await client.post(f"/lamps/{uuid4()}")
            await eventually(lambda: _all_published(client, 1))

        assert len(sidecar.published) == 1


async def test_a_timer_rests_when_idle_and_survives_its_failures(serve: Serve) -> None:
    async with serve("toy", create) as client:
        steps: list[str] = []
        done = asyncio.Event()

        async def step(_: object) -> bool:
            steps.append("step")
            if len(steps) == 2:
                raise ZeroDivisionError
            if len(steps) == 4:
                done.set()
            return len(steps) == 1

        before = telemetry.TIMER_FAILURES.labels("toy")._value.get()  # noqa: SLF001 - the library's own way to read
        task = asyncio.create_task(Timer(name="toy", seconds=0.001, step=step).run(client.runtime))
        await asyncio.wait_for(done.wait(), 10)
        task.cancel()

        assert telemetry.TIMER_FAILURES.labels("toy")._value.get() == before + 1  # noqa: SLF001 - as above


async def test_a_broker_error_is_told_from_a_refusal() -> None:
    away = SidecarDouble()
    away.is_away = True

    with pytest.raises(SidecarAway):
        await away.publish("users", [])


async def test_a_pool_that_is_exhausted_is_a_store_that_is_away(serve: Serve) -> None:
    async with serve("toy", create) as client:
        await client.runtime.database.close()
        client.runtime.databases[0].engine = type(client.runtime.database)(
            "postgresql://nobody@127.0.0.1:1/none"
        ).engine

        answer = await client.post(f"/lamps/{uuid4()}")

        assert (answer.status_code, answer.json()["type"]) == (503, "store-unavailable")
        with pytest.raises(sqlalchemy.exc.OperationalError):
            await client.runtime.database.ping()
        assert (await client.get("/readyz")).status_code == 503
