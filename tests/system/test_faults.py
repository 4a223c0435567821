"""Things break while customers are buying: what was acknowledged stands, and the rest is told plainly."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import pytest

from services.contracts.events import Topic
from services.local import health
from services.local.customer import client
from services.local.customer.actors import Cast, Customer
from services.local.customer.client import Reply, Unexpected, Unreachable
from services.local.customer.narration import eventually
from services.local.customer.place import Place
from services.local.system import System
from tests.system.conftest import Databases, Shop, sidecart
from tests.system.test_boundaries import asked, port


def kill(system: System, name: str) -> None:
    """End a process without a warning."""
    os.kill(system.processes[name].pid, signal.SIGKILL)


async def settled(ask: Any, *good: int) -> Reply:
    """Ask again, as a patient client would, until the answer is one of the good ones; never a bare failure."""

    async def once() -> Reply:
        try:
            reply: Reply = await ask()
        except Unreachable as error:
            return Reply(asked="", status=0, headers={}, content=str(error).encode())
        assert reply.status in {*good, 503, 401}, reply.content
        return reply

    return await eventually(once, lambda reply: reply.status in good, what="an answer", within=60)


@pytest.fixture(autouse=True)
async def everything_comes_back(system: System, place: Place) -> AsyncIterator[None]:
    """A test ends when what it broke has come back: every process, the whole, and all that buying needs.

    Who was connected to a store that died notices with the first call, which is refused; that is no other test's.
    """

    async def back() -> bool:
        alive = [process.process() and await health.answers(process.probe) for process in system.processes.values()]
        return all(alive) and (await asked("GET", f"{system.base_url}/readyz"))[0] == HTTPStatus.OK

    async def sells() -> bool:
        try:
            async with client.connected(place.base_url) as api:
                await _buy(await Cast.gathered(api, place))
        except (Unexpected, Unreachable):
            return False
        return True

    yield
    await eventually(back, bool, what="everything coming back", within=60)
    await eventually(sells, bool, what="the shop selling again", within=60)


async def _buy(cast: Cast) -> None:
    lamp, ada = await Shop(cast).lamp(on_hand=1), await cast.new_customer("Ada")
    order = (await ada.order((lamp["product_id"], 1))).expect(HTTPStatus.CREATED)
    (await ada.pay(order["id"])).expect(HTTPStatus.CREATED)


@pytest.mark.parametrize(
    "victim",
    [
        "order",
        "order.sidecar",
        "inventory",
        "inventory.sidecar",
        "payment",
        "payment.sidecar",
        "product",
        "postgres",
        "broker",
        "redis",
        "stripe",
        "notification",
        "gateway.sidecar",
        "user",
    ],
)
async def test_a_process_dies_while_a_customer_buys(system: System, cast: Cast, shop: Shop, victim: str) -> None:
    lamp, ada = await shop.lamp(on_hand=9), await cast.new_customer("Ada")
    before = await cast.stock(lamp["product_id"])
    body = {"items": [{"product_id": lamp["product_id"], "quantity": 2}], "shipping_address": _address()}
    place, pay = str(uuid4()), str(uuid4())

    kill(system, victim)
    order = (await settled(lambda: ada.api.call("POST", "/orders", json=body, key=place), 201)).body
    kill_again = asyncio.create_task(asyncio.to_thread(_kill_when_back, system, victim))
    charge = {"order_id": order["id"], "payment_method": "pm_card_visa"}
    paid = await settled(lambda: ada.api.call("POST", "/payments", json=charge, key=pay), 201, 202)
    await kill_again

    await _paid(ada, order["id"])
    assert paid.body["order_id"] == order["id"]
    await eventually(
        lambda: settled(lambda: cast.staff.call("GET", f"/products/{lamp['product_id']}/inventory"), 200),
        lambda reply: (reply.body["on_hand"], reply.body["reserved"]) == (before["on_hand"] - 2, 0),
        what="the stock being committed",
        within=60,
    )


def _address() -> dict[str, str]:
    return {"name": "Ada", "line1": "1 Street", "city": "Dublin", "postal_code": "D02", "country": "IE"}


def _kill_when_back(system: System, victim: str) -> None:
    process = system.processes[victim]
    if process.process():
        os.kill(process.pid, signal.SIGKILL)


async def _paid(ada: Customer, order_id: str) -> None:
    async def status() -> Any:
        return (await settled(lambda: ada.api.call("GET", f"/orders/{order_id}"), 200)).body["status"]

    await eventually(status, lambda told: told == "paid", what="the order becoming paid", within=60)


async def test_a_frozen_state_store_is_a_clear_503_and_orders_go_on(system: System, cast: Cast, shop: Shop) -> None:
    lamp, ada = await shop.lamp(on_hand=9), await cast.new_customer("Ada")
    redis = system.processes["redis"].pid
    os.kill(redis, signal.SIGSTOP)
    try:
        cart = await ada.api.call("GET", "/cart")
        order = await ada.order((lamp["product_id"], 1))
    finally:
        os.kill(redis, signal.SIGCONT)

    assert (cart.status, cart.headers["Retry-After"]) == (503, "1")
    assert cart.headers["Content-Type"] == "application/problem+json"
    order.expect(HTTPStatus.CREATED)


async def test_an_answer_that_the_provider_lost_is_asked_for_and_charged_once(
    system: System, cast: Cast, shop: Shop, databases: Databases
) -> None:
    lamp, ada = await shop.lamp(on_hand=9), await cast.new_customer("Ada")
    order = (await ada.order((lamp["product_id"], 1))).expect(HTTPStatus.CREATED)
    fault = {"match": "confirm", "kind": "drop_answer", "times": 1}
    await asked("POST", f"http://127.0.0.1:{port(system, 'stripe')}/_stand-in/faults", body=fault)

    reply = await ada.pay(order["id"])

    assert reply.status in {201, 202}
    await ada.becomes(order["id"], "paid")
    facts = databases.rows("payment", "SELECT type FROM outbox WHERE data->>'order_id' = %s", order["id"])
    assert [fact["type"] for fact in facts] == ["payment.succeeded"]


async def test_a_poisonous_event_is_parked_and_the_next_ones_go_on(
    system: System, cast: Cast, shop: Shop, databases: Databases
) -> None:
    lamp, ada = await shop.lamp(on_hand=9), await cast.new_customer("Ada")
    id_ = str(uuid4())
    poison = {
        "id": id_,
        "specversion": "1.0",
        "source": "test",
        "type": "order.paid",
        "datacontenttype": "application/json",
        "data": {"version": "?"},
    }
    headers = {"dapr-api-token": system.secrets["dapr-api-token-order"], "content-type": "application/cloudevents+json"}
    url = f"http://127.0.0.1:{port(system, 'order.sidecar')}/v1.0/publish/events/{Topic.ORDERS}"
    status, text = await asked("POST", url, headers, poison)
    assert status == 204, text

    order = (await ada.order((lamp["product_id"], 1))).expect(HTTPStatus.CREATED)
    (await ada.pay(order["id"])).expect(HTTPStatus.CREATED)
    await ada.becomes(order["id"], "paid")

    for service in ("inventory", "payment", "notification", "order"):
        letters = await eventually(
            lambda service=service: asyncio.to_thread(  # type: ignore[misc]
                databases.rows, service, "SELECT letter, state FROM parked_letter WHERE id = %s", id_
            ),
            lambda rows: rows and rows[0]["state"] == "dead",
            what=f"the letter being dead at {service}",
            within=30,
        )
        assert json.loads(json.dumps(letters[0]["letter"]))["data"] == {"version": "?"}

    assert "4 letters dropped" in sidecart(system, "dead-letters", "drop", id_, "--yes")
