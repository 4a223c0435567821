"""Events that cannot be handled, brokers that forget, topics that are replayed: in the end it is as if nothing was."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from redis.asyncio import Redis

from services.contracts.events import Topic
from services.local import streams
from services.local.customer import mail
from services.local.customer.actors import Cast
from services.local.customer.narration import eventually
from services.local.plan import Plan
from services.local.system import System
from tests.system.conftest import Databases, Shop, sidecart
from tests.system.test_boundaries import asked, port

SERVICES = ("user", "product", "inventory", "order", "payment", "notification")
EVER = "1970-01-01"
FADING = {
    *{"outbox", "inbox", "caught_up", "alembic_version", "product_change", "webhook_event"},
    *{"reconciliation_run", "provider_movement", "ledger_transaction", "ledger_entry"},
}
"""What changes by itself: when facts were published, what was heard, what an index has to look at again, what the
provider tells, and the fees that the reconciliation books as it hears of them (every other booking goes with a
payment's or a refund's row)."""
WAITING = """
SELECT 1 FROM payment
LEFT JOIN attempt ON attempt.payment_id = payment.id AND attempt.status IN ('open', 'requires_action')
LEFT JOIN refund ON refund.payment_id = payment.id AND refund.status = 'pending'
WHERE payment.order_id = %s AND (attempt.id IS NOT NULL OR refund.id IS NOT NULL)
"""


@pytest.fixture
async def broker(system: System) -> AsyncIterator[Redis]:
    async with Redis.from_url(Plan(system.state, system.ports).broker_url, decode_responses=True) as connection:
        yield connection


@contextmanager
def paused(system: System, name: str) -> Iterator[None]:
    pid = system.processes[name].pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):  # it may have died meanwhile
            os.kill(pid, signal.SIGCONT)


async def everything_is_read(broker: Redis, databases: Databases) -> None:
    """Wait until every fact is published and every reader has read and acknowledged all of it."""

    async def unread() -> list[str]:
        left = [
            service
            for service in SERVICES
            if databases.rows(service, "SELECT 1 FROM outbox WHERE published_at IS NULL LIMIT 1")
        ]
        for topic, readers in streams.readers().items():
            if not await broker.exists(topic):
                continue
            groups = {one["name"]: one for one in await broker.xinfo_groups(topic)}
            last = (await broker.xinfo_stream(topic))["last-generated-id"]
            left += [
                f"{topic} by {reader}"
                for reader in readers
                if reader not in groups or groups[reader]["pending"] or groups[reader]["last-delivered-id"] != last
            ]
        return left

    await eventually(unread, lambda left: not left, what="everything being read", within=60)


def all_rows(databases: Databases) -> dict[str, list[str]]:
    """Every row of every service that a replay must not change."""
    found: dict[str, list[str]] = {}
    for service in SERVICES:
        tables = databases.rows(service, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for name in sorted({row["tablename"] for row in tables} - FADING):
            rows = databases.rows(service, f"SELECT t::text AS it FROM {name} t ORDER BY 1")  # noqa: S608 - the catalogue's own names
            found[f"{service}.{name}"] = [row["it"] for row in rows]
        facts = databases.rows(service, "SELECT event_id::text AS it FROM outbox ORDER BY 1")
        found[f"{service}.facts"] = [row["it"] for row in facts]
    return found


async def test_a_broker_that_has_lost_everything_is_filled_again_from_the_outboxes(
    system: System, cast: Cast, shop: Shop, broker: Redis, databases: Databases
) -> None:
    lamp, ada = await shop.lamp(on_hand=9), await cast.new_customer("Ada")
    order = (await ada.order((lamp["product_id"], 2))).expect(HTTPStatus.CREATED)
    reader = system.processes["inventory.sidecar"].pid
    os.kill(reader, signal.SIGSTOP)
    before = datetime.now(UTC)
    (await ada.pay(order["id"])).expect(HTTPStatus.CREATED)
    await ada.becomes(order["id"], "paid")
    await eventually(
        lambda: asyncio.to_thread(databases.rows, "order", "SELECT 1 FROM outbox WHERE published_at IS NULL"),
        lambda rows: not rows,
        what="the facts being published",
    )

    await broker.flushall()
    os.kill(reader, signal.SIGKILL)
    said = await asyncio.to_thread(
        sidecart, system, "outbox", "republish", "--since", before.isoformat(), "--topic", "orders", "--yes"
    )

    assert "being published again" in said
    await eventually(
        lambda: cast.staff.call("GET", f"/products/{lamp['product_id']}/inventory"),
        lambda reply: reply.status == HTTPStatus.OK and (reply.body["on_hand"], reply.body["reserved"]) == (7, 0),
        what="the stock being committed",
        within=60,
    )
    (
        await cast.staff.call("POST", f"/orders/{order['id']}/ship", json={"carrier": "DHL", "tracking_number": "1"})
    ).expect(HTTPStatus.OK)
    letters = await cast.letters(ada, "shipped", "paid", "placed")
    assert len([one for one in letters if "paid" in one["subject"].lower()]) == 1


async def test_every_reader_may_ask_every_producer_what_it_has_missed(databases: Databases) -> None:
    topics = {topic: readers for topic, readers in streams.readers().items() if topic in set(Topic)}

    async def unanswered() -> set[tuple[str, str]]:
        answered = {
            (row["topic"], service)
            for service in SERVICES
            for row in databases.rows(service, "SELECT topic FROM caught_up")
        }
        return {(topic, reader) for topic, readers in topics.items() for reader in readers} - answered

    await eventually(unanswered, lambda left: not left, what="every producer answering every reader", within=60)


async def test_what_a_sidecar_has_acknowledged_although_nobody_handled_it_comes_again(
    system: System, cast: Cast, shop: Shop, broker: Redis
) -> None:
    lamp, ada = await shop.lamp(on_hand=9), await cast.new_customer("Ada")
    order = (await ada.order((lamp["product_id"], 1))).expect(HTTPStatus.CREATED)
    await ada.pay(order["id"], "pm_card_chargeDeclined")
    await cast.letters(ada, "placed", "failed")

    async def waiting() -> list[str]:
        found = await broker.xpending_range(Topic.PAYMENTS, "notification", min="-", max="+", count=100)
        return [str(one["message_id"]) for one in found]

    with paused(system, "notification"):
        await ada.pay(order["id"], "pm_card_chargeDeclined")
        declined = await eventually(waiting, lambda found: len(found) > 0, what="the second refusal being delivered")
        await broker.xack(Topic.PAYMENTS, "notification", *declined)
        for name in ("notification.sidecar", "notification"):
            os.kill(system.processes[name].pid, signal.SIGKILL)

    await eventually(
        lambda: mail.letters(cast.place.mailbox_url, to=ada.email),
        lambda letters: len([one for one in letters if "failed" in one["subject"].lower()]) == 2,
        what="the second refusal being told",
        within=150,
    )


async def test_replaying_every_topic_from_the_start_changes_nothing(
    system: System, cast: Cast, shop: Shop, broker: Redis, databases: Databases
) -> None:
    lamp, ada = await shop.lamp(on_hand=9), await cast.new_customer("Ada")
    for method, ends in (("pm_card_visa", "paid"), ("pm_card_visa", "refunded"), ("pm_card_chargeDeclined", "pending")):
        order = (await ada.order((lamp["product_id"], 1))).expect(HTTPStatus.CREATED)
        await ada.pay(order["id"], method)
        if ends == "refunded":
            await ada.becomes(order["id"], "paid")
            await ada.cancel(order["id"])
        await ada.becomes(order["id"], ends)
    await cast.letters(ada, "placed", "paid", "cancelled", "refunded", "failed")
    await everything_is_read(broker, databases)
    await eventually(
        lambda: asyncio.to_thread(databases.rows, "payment", "SELECT 1 FROM webhook_event WHERE processed_at IS NULL"),
        lambda rows: not rows,
        what="what the provider told being acted on",
    )
    before = all_rows(databases)

    for service in SERVICES:
        databases.rows(service, "DELETE FROM inbox")
    await asyncio.to_thread(sidecart, system, "outbox", "republish", "--since", EVER, "--yes")
    await everything_is_read(broker, databases)

    after = all_rows(databases)
    assert {name for name, rows in after.items() if rows != before[name]} == set()
    assert len(before["notification.message"]) >= 9


async def test_an_event_whose_store_is_away_for_longer_than_its_retries_is_handled_all_the_same(
    system: System, cast: Cast, shop: Shop, broker: Redis, databases: Databases
) -> None:
    lamp, ada = await shop.lamp(on_hand=9), await cast.new_customer("Ada")
    order = (await ada.order((lamp["product_id"], 2))).expect(HTTPStatus.CREATED)
    url = Plan(system.state, system.ports).cluster.url()
    with psycopg.connect(url, autocommit=True) as server:
        server.execute("ALTER DATABASE inventory ALLOW_CONNECTIONS false")
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'inventory'")
        try:
            (await ada.pay(order["id"])).expect(HTTPStatus.CREATED)
            await ada.becomes(order["id"], "paid")
            await eventually(
                lambda: broker.xpending("dead-letters.inventory", "inventory"),
                lambda told: told["pending"] > 0,
                what="the retries being over",
                within=60,
            )
        finally:
            server.execute("ALTER DATABASE inventory ALLOW_CONNECTIONS true")

    await eventually(
        lambda: cast.stock(lamp["product_id"]),
        lambda stock: (stock["on_hand"], stock["reserved"]) == (7, 0),
        what="the stock being committed",
        within=60,
    )
    await eventually(
        lambda: asyncio.to_thread(databases.rows, "inventory", "SELECT 1 FROM parked_letter WHERE state = 'parked'"),
        lambda rows: not rows,
        what="no letter being parked",
    )


async def test_an_event_that_can_be_neither_handled_nor_parked_is_delivered_again(
    system: System, cast: Cast, shop: Shop, broker: Redis, databases: Databases
) -> None:
    lamp, ada = await shop.lamp(on_hand=9), await cast.new_customer("Ada")
    order = (await ada.order((lamp["product_id"], 2))).expect(HTTPStatus.CREATED)
    url = Plan(system.state, system.ports).cluster.url()
    with psycopg.connect(url, autocommit=True) as server:
        server.execute("ALTER DATABASE inventory ALLOW_CONNECTIONS false")
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'inventory'")
        try:
            (await ada.pay(order["id"])).expect(HTTPStatus.CREATED)
            await ada.becomes(order["id"], "paid")
            await eventually(
                lambda: asyncio.to_thread(databases.rows, "order", "SELECT 1 FROM outbox WHERE published_at IS NULL"),
                lambda rows: not rows,
                what="the facts being published",
            )
            await broker.config_set("maxmemory", 1)
            await eventually(
                lambda: broker.xpending_range("orders", "inventory", "-", "+", 9),
                lambda pending: any(int(one["times_delivered"]) > 1 for one in pending),
                what="the event being delivered again",
                within=60,
            )
        finally:
            await broker.config_set("maxmemory", 0)
            server.execute("ALTER DATABASE inventory ALLOW_CONNECTIONS true")

    await eventually(
        lambda: cast.stock(lamp["product_id"]),
        lambda stock: (stock["on_hand"], stock["reserved"]) == (7, 0),
        what="the stock being committed",
        within=60,
    )


async def test_a_letter_that_nobody_can_read_is_listed_shown_and_dropped_by_a_person(system: System) -> None:
    id_ = str(uuid4())
    poison = {"id": id_, "specversion": "1.0", "source": "test", "type": "order.paid", "data": {"note": "\x00"}}
    poison |= {"datacontenttype": "application/json"}
    headers = {"dapr-api-token": system.secrets["dapr-api-token-order"], "content-type": "application/cloudevents+json"}
    url = f"http://127.0.0.1:{port(system, 'order.sidecar')}/v1.0/publish/events/{Topic.ORDERS}"
    assert (await asked("POST", url, headers, poison))[0] == HTTPStatus.NO_CONTENT

    def dead() -> list[dict[str, Any]]:
        listed: list[dict[str, Any]] = json.loads(sidecart(system, "dead-letters", "list", "--json"))
        return [one for one in listed if one["id"] == id_ and one["state"] == "dead"]

    letters = await eventually(
        lambda: asyncio.to_thread(dead), lambda found: len(found) == 4, what="the letter being dead everywhere"
    )

    assert {one["service"] for one in letters} == {"inventory", "order", "payment", "notification"}
    assert [one["letter"] for one in letters if "unparsable" not in one["letter"]] == []
    assert sidecart(system, "dead-letters", "show", id_).count("unparsable") == 4
    assert "4 letters dropped" in sidecart(system, "dead-letters", "drop", id_, "--yes")
    sidecart(system, "dead-letters", "show", id_, code=1)


async def test_money_for_an_order_that_was_cancelled_meanwhile_goes_back_by_itself(
    system: System, cast: Cast, shop: Shop, databases: Databases
) -> None:
    lamp, ada = await shop.lamp(on_hand=9), await cast.new_customer("Ada")
    order = (await ada.order((lamp["product_id"], 2))).expect(HTTPStatus.CREATED)
    await eventually(
        lambda: asyncio.to_thread(databases.rows, "payment", "SELECT 1 FROM payable WHERE order_id = %s", order["id"]),
        bool,
        what="payment hearing of the order",
    )

    with paused(system, "broker"):
        await ada.cancel(order["id"])
        paid = (await ada.pay(order["id"])).expect(HTTPStatus.CREATED)
        assert paid["status"] == "succeeded"

    refunded = await eventually(
        lambda: ada.see(order["id"]),
        lambda seen: seen["status"] == "refunded",
        what="the money being on its way back",
        within=60,
    )
    assert [one["reason"] for one in refunded["history"]][:3] == [None, "requested", "paid-after-cancellation"]
    (payment,) = databases.rows(
        "payment", "SELECT status, captured_minor, refunded_minor FROM payment WHERE order_id = %s", order["id"]
    )
    assert (payment["status"], payment["captured_minor"]) == ("refunded", payment["refunded_minor"])
    await cast.stock_changes(lamp)


async def test_a_customer_who_gives_up_while_the_provider_hangs_is_not_charged(
    system: System, cast: Cast, shop: Shop, databases: Databases
) -> None:
    lamp, ada = await shop.lamp(on_hand=9), await cast.new_customer("Ada")
    order = (await ada.order((lamp["product_id"], 2))).expect(HTTPStatus.CREATED)

    with paused(system, "stripe"):
        paying = asyncio.create_task(ada.pay(order["id"]))
        await eventually(
            lambda: asyncio.to_thread(
                databases.rows, "payment", "SELECT 1 FROM payment WHERE order_id = %s", order["id"]
            ),
            bool,
            what="the attempt being open",
        )
        await ada.cancel(order["id"])
    await paying

    def standing() -> list[Any]:
        query = "SELECT captured_minor = refunded_minor AS is_even, cancel_due_at FROM payment WHERE order_id = %s"
        (payment,) = databases.rows("payment", query, order["id"])
        waiting = databases.rows("payment", WAITING, order["id"])
        return [payment["is_even"], payment["cancel_due_at"], waiting]

    await eventually(
        lambda: asyncio.to_thread(standing),
        lambda told: told == [True, None, []],
        what="the money being where it was",
        within=60,
    )
    await cast.stock_changes(lamp)
