"""A service stands still for longer than anybody waits, and afterwards hears everything that happened meanwhile."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from uuid import uuid4

import pytest

from services.local.customer import client
from services.local.customer.actors import ADDRESS, Cast
from services.local.customer.narration import eventually
from services.local.customer.place import at_offset
from services.local.system import System
from tests.system.conftest import Shop

_STANDS_STILL = 45.0
"""Seconds; a sidecar that checks the health of its application gives it up after thirty."""

_MEANWHILE = 150
"""Events, more than a sidecar has hands and a queue for."""


@pytest.fixture
def apart() -> Iterator[System]:
    with System.start(env={"SIDECART_RATE_LIMIT_FACTOR": "1000"}) as system:
        yield system


@pytest.fixture
async def there(apart: System) -> AsyncIterator[Cast]:
    place = at_offset(apart.state, apart.offset)
    async with client.connected(place.base_url) as api:
        yield await Cast.gathered(api, place)


@contextmanager
def standing_still(system: System, name: str) -> Iterator[None]:
    pid = system.processes[name].pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


async def test_orders_go_on_after_the_order_service_stood_still_while_stock_changed(apart: System, there: Cast) -> None:
    lamp = (await Shop(there).lamp(on_hand=9))["product_id"]
    ada = await there.new_customer("Ada")

    with standing_still(apart, "order"):
        began = asyncio.get_running_loop().time()
        for _ in range(_MEANWHILE):
            delivery = {"adjust_by": 1, "reason": "delivery"}
            (await there.staff.call("PUT", f"/products/{lamp}/inventory", json=delivery)).expect(HTTPStatus.OK)
        await asyncio.sleep(began + _STANDS_STILL - asyncio.get_running_loop().time())

    key, body = str(uuid4()), {"items": [{"product_id": lamp, "quantity": 1}], "shipping_address": ADDRESS}
    placed = await eventually(
        lambda: ada.api.call("POST", "/orders", json=body, key=key),
        lambda reply: reply.status == HTTPStatus.CREATED,
        what="an order",
        within=30,
    )
    order = placed.body
    (await ada.pay(order["id"])).expect(HTTPStatus.CREATED)
    paid = await eventually(
        lambda: ada.see(order["id"]), lambda seen: seen["status"] == "paid", what="the order being paid", within=60
    )
    assert paid["payment_id"]
