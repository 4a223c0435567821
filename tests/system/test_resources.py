"""What everybody shares runs out: room on the disk, connections to a database, what Redis kept."""

import asyncio
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from http import HTTPStatus
from pathlib import Path
from threading import Event, Thread
from time import monotonic
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from redis.asyncio import Redis

from services.local import streams
from services.local.chaos.shoppers import Shopper
from services.local.customer.actors import ADDRESS
from services.local.customer.client import Reply
from services.local.plan import Plan
from services.local.system import System
from services.local.topology import LOOPBACK
from tests.system.street import Street, is_paid, is_put_off, until

VISA = "pm_card_visa"
_SIZE = "size=512m,mode=755"
_STEPS = (1 << 24, 1 << 20, 1 << 16, 1 << 12)
_CONNECTIONS = 10
"""As many as a service has to its database."""

_BOUND = 12.5
"""Seconds; the gateway itself gives up after 12."""


@pytest.fixture(scope="module")
def disk() -> Iterator[Path | None]:
    """A small disk; none for a user who cannot mount one."""
    if os.geteuid() != 0:
        yield None
        return
    place = Path(tempfile.mkdtemp(prefix="sidecart-disk-"))
    subprocess.run(("/bin/mount", "-t", "tmpfs", "-o", _SIZE, "tmpfs", place), check=True)
    try:
        yield place
    finally:
        subprocess.run(("/bin/umount", place), check=True)
        place.rmdir()


@pytest.fixture(scope="module")
def apart(disk: Path | None) -> Iterator[System]:
    with System.start(env={"SIDECART_RATE_LIMIT_FACTOR": "1000"}, disk=disk) as system:
        yield system


@pytest.fixture
async def street(apart: System, tmp_path: Path) -> AsyncIterator[Street]:
    async with Street.before(apart, tmp_path / "history.jsonl") as street:
        yield street


@contextmanager
def no_room(disk: Path) -> Iterator[None]:
    """Take whatever room there is, and whatever becomes free meanwhile."""
    ballast, full, enough = disk / "ballast", Event(), Event()

    def take() -> None:
        with ballast.open("wb") as file:
            while not enough.wait(0.01):
                for step in _STEPS:
                    _grow(file.fileno(), step)
                full.set()

    taking = Thread(target=take)
    taking.start()
    try:
        full.wait()
        yield
    finally:
        enough.set()
        taking.join()
        ballast.unlink()


def _grow(file: int, step: int) -> None:
    with suppress(OSError):
        while True:
            os.posix_fallocate(file, os.fstat(file).st_size, step)


def wear_out(server: str) -> None:
    """Have PostgreSQL begin new parts of its log until there is no room for one, which it does not survive."""
    with suppress(psycopg.OperationalError), psycopg.connect(server, autocommit=True) as connection:
        while True:
            connection.execute("SELECT pg_logical_emit_message(false, 'test', 'x'), pg_switch_wal()")


@asynccontextmanager
async def custom(street: Street, lamp: str, *, payers: int, others: int) -> AsyncIterator[None]:
    """Customers who buy one lamp after the other, until each has the last one that they asked for."""
    shoppers, closing = [await street.shopper() for _ in range(payers + others)], asyncio.Event()

    async def buy(number: int, shopper: Shopper) -> None:
        while not closing.is_set():
            order = await shopper.place(f"shopper {number}", [(lamp, 1)])
            assert order is not None
            if number < payers:
                assert await shopper.pay(f"shopper {number}", order, VISA)

    async with asyncio.TaskGroup() as group:
        for number, shopper in enumerate(shoppers):
            group.create_task(buy(number, shopper))
        yield
        closing.set()


def is_plain(reply: Reply) -> bool:
    """Whether an answer is true whatever becomes of the request."""
    if reply.status == HTTPStatus.CONFLICT:
        return bool(reply.body["type"] == "request-in-progress")
    return reply.status in {HTTPStatus.OK, HTTPStatus.CREATED, HTTPStatus.ACCEPTED} or is_put_off(reply)


@pytest.mark.parametrize("lacking", ["tables", "log"])
async def test_a_full_disk_is_told_plainly_and_everything_comes_back_when_there_is_room(
    street: Street, disk: Path | None, lacking: str
) -> None:
    if disk is None:
        pytest.skip("only root can mount a small disk")
    lamp, postgres = await street.clerk.product(on_hand=5000), street.system.processes["postgres"].pid

    async with custom(street, lamp, payers=4, others=4):
        await until(lambda: street.answers("POST /orders", HTTPStatus.CREATED) > 8, "orders being placed")
        with no_room(disk):
            if lacking == "log":
                await asyncio.to_thread(wear_out, street.database())
            await until(lambda: street.answers("POST /orders", 503) > 8, "orders being put off")
        await street.comes_back()

    assert [reply for reply in street.api.replies if not is_plain(reply)] == []
    assert lacking == "tables" or street.system.processes["postgres"].pid != postgres
    await street.is_in_order()


@asynccontextmanager
async def table_locked(street: Street, table: str) -> AsyncIterator[None]:
    """Whoever wants to read or write a table of the order service waits, and keeps a connection meanwhile."""
    async with await psycopg.AsyncConnection.connect(street.database("order")) as connection:
        await connection.execute(sql.SQL("LOCK TABLE {}").format(sql.Identifier(table)))
        yield
        await connection.rollback()


@asynccontextmanager
async def no_connection_left(street: Street) -> AsyncIterator[None]:
    """The order service has lost its connections, and the server has none to give."""
    async with await psycopg.AsyncConnection.connect(street.database(), autocommit=True) as server:
        await server.execute('ALTER ROLE "order" CONNECTION LIMIT 0')
        await server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'order'")
        try:
            yield
        finally:
            await server.execute('ALTER ROLE "order" CONNECTION LIMIT -1')


async def timed(shopper: Shopper, method: str, path: str, key: str | None = None, body: object = None) -> Reply:
    """What is answered within the time that the gateway gives everybody."""
    began = monotonic()
    reply = await shopper.account.api.call(method, path, json=body, key=key)
    assert monotonic() - began < _BOUND
    return reply


@pytest.mark.parametrize("lacking", ["orders", "outbox", "server"])
async def test_orders_that_find_no_free_connection_are_put_off_and_nobody_else_is(street: Street, lacking: str) -> None:
    lamp, ada = await street.clerk.product(on_hand=500), await street.shopper()
    earlier = await ada.place("ada", [(lamp, 1)])
    assert earlier is not None
    keys = [str(uuid4()) for _ in range(3 * _CONNECTIONS)]
    body = {"items": [{"product_id": lamp, "quantity": 1}], "shipping_address": ADDRESS}

    async with no_connection_left(street) if lacking == "server" else table_locked(street, lacking):
        placing = asyncio.gather(*(timed(ada, "POST", "/orders", key, body) for key in keys))
        assert await ada.pay("ada", earlier, VISA)
        reads = []
        while not placing.done():
            reads += [await timed(ada, "GET", path) for path in (f"/products/{lamp}", "/users/profile")]
            await asyncio.wait([placing], timeout=0.2)
        told = await placing

    assert [reply for reply in told if not is_put_off(reply)] == []
    assert {reply.status for reply in reads} == {HTTPStatus.OK}
    placed = await asyncio.gather(*(ada.place("ada", [(lamp, 1)], key=key) for key in keys))
    assert len(set(placed) - {None}) == len(keys)
    await is_paid(ada, earlier)
    await street.is_in_order()


async def test_a_state_store_that_forgot_everything_takes_carts_with_it_and_nothing_else(street: Street) -> None:
    lamp, ada = await street.clerk.product(on_hand=9), (await street.shopper()).account.api
    key, from_cart = str(uuid4()), {"from_cart": True, "shipping_address": ADDRESS}
    put, two = f"/cart/items/{lamp}", {"quantity": 2}
    (await ada.call("PUT", put, json=two)).expect(HTTPStatus.OK)
    order = (await ada.call("POST", "/orders", json=from_cart, key=key)).expect(HTTPStatus.CREATED)
    counted = await ada.call("PUT", put, json=two)

    url = f"redis://:{street.system.secrets['redis-password']}@{LOOPBACK}:{street.system.ports.redis}/0"
    async with Redis.from_url(url) as state:
        await state.flushall()

    cart = await ada.call("GET", "/cart")
    assert cart.expect(HTTPStatus.OK)["items"] == []
    assert int(cart.headers["RateLimit-Remaining"]) > int(counted.headers["RateLimit-Remaining"])
    lost = await ada.call("POST", "/orders", json=from_cart, key=str(uuid4()))
    assert (lost.status, lost.body["type"]) == (HTTPStatus.UNPROCESSABLE_ENTITY, "cart-empty")
    again = await ada.call("POST", "/orders", json=from_cart, key=key)
    assert (again.expect(HTTPStatus.CREATED), again.headers["Idempotent-Replayed"]) == (order, "true")
    assert await ada.get(f"/orders/{order['id']}") == order
    (await ada.call("PUT", put, json=two)).expect(HTTPStatus.OK)
    other = (await ada.call("POST", "/orders", json=from_cart, key=str(uuid4()))).expect(HTTPStatus.CREATED)
    assert other["id"] != order["id"]
    await street.is_in_order()


async def test_readers_of_a_broker_that_forgot_everything_go_on_without_being_restarted(street: Street) -> None:
    lamp, ada = await street.clerk.product(on_hand=9), await street.shopper()
    before = await ada.place("ada", [(lamp, 1)])
    await street.is_in_order()
    sidecars = {name: one.pid for name, one in street.system.processes.items() if name.endswith(".sidecar")}

    async with Redis.from_url(
        Plan(street.system.state, street.system.ports).broker_url, decode_responses=True
    ) as broker:
        await broker.flushall()
        after = await ada.place("ada", [(lamp, 1)])
        for order in (before, after):
            assert order is not None
            assert await ada.pay("ada", order, VISA)
            await is_paid(ada, order)
        await street.is_in_order()
        known = {topic: {one["name"] for one in await broker.xinfo_groups(topic)} for topic in ("orders", "payments")}

    assert known == {topic: streams.readers()[topic] for topic in known}
    assert {name: street.system.processes[name].pid for name in sidecars} == sidecars
