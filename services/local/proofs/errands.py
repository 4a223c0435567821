"""Journeys beside the straight way: the catalogue, carts, accounts, holds without orders, letters that come late."""

import asyncio
import json
import secrets
from collections.abc import Mapping
from http import HTTPStatus
from uuid import UUID, uuid4

from services.contracts.proto.inventory_pb2 import Line, ReserveReply, ReserveRequest
from services.contracts.proto.inventory_pb2_grpc import InventoryStub
from services.local.customer.actors import ADDRESS
from services.local.proofs.purchases import paid
from services.local.proofs.shop import PASSWORD, PRICE, Outcome, Reach, Shop, Shopper, until
from services.local.topology import LOOPBACK
from services.order.operations.checkout import OPERATION
from services.product.domain import product_id_of
from services.shared.dead_letters import topic_of
from services.shared.grpc_client import GrpcChannel
from services.shared.idempotency import command_id
from services.shared.sidecar import Sidecar, SidecarAway

_LATE: Mapping[str, tuple[str, str]] = {
    "order": ("payment", "payment.succeeded"),
    "inventory": ("order", "order.paid"),
    "payment": ("order", "order.paid"),
    "notification": ("order", "order.paid"),
    "product": ("inventory", "stock.committed"),
}
"""A letter that each service takes: whose it is, and its type."""


async def stock_a_shop(shop: Shop, outcome: Outcome, reach: Reach) -> None:
    """A product is created, changed and counted, another one imported; somebody buys what was imported."""
    await reach("create")
    lamp = await shop.lamp(on_hand=9)
    await reach("change")
    await _rename(shop, lamp)
    await reach("count")
    await shop.staff.ask("PUT", f"/products/{lamp}/inventory", HTTPStatus.OK, json={"on_hand": 7})
    await shop.stock_becomes(lamp, on_hand=7)
    await reach("import")
    imported = await _import(shop)
    ada = await shop.customer()
    order = (await ada.order((imported, 1)))["id"]
    await paid(shop, ada, order, outcome)
    await shop.stock_becomes(imported, on_hand=4)


async def _rename(shop: Shop, product_id: str) -> None:
    """Give a product another name; whoever finds it changed meanwhile looks whether it was their own change."""
    path, name = f"/products/{product_id}", f"A brighter lamp {secrets.token_hex(3)}"
    while (seen := await shop.staff.ask("GET", path, HTTPStatus.OK)).body["name"] != name:
        good = (HTTPStatus.OK, HTTPStatus.PRECONDITION_FAILED)
        await shop.staff.ask("PUT", path, *good, json={"name": name}, headers={"If-Match": seen.headers["ETag"]})


async def _import(shop: Shop) -> str:
    """Import a few products; the answer is the id of one of which five are there."""
    skus = [f"LAMP-{secrets.token_hex(6)}" for _ in range(3)]
    rows = [{"sku": sku, "name": "An imported lamp", "price": PRICE, "on_hand": 5} for sku in skus]
    data = "\n".join(json.dumps(row) for row in rows).encode()
    headers = {"Content-Type": "application/x-ndjson"}
    job = await shop.staff.ask("POST", "/products/import", HTTPStatus.ACCEPTED, data=data, headers=headers)
    path = f"/products/imports/{job.body['id']}"
    told = await until(
        lambda: shop.staff.ask("GET", path, HTTPStatus.OK),
        lambda reply: reply.body["status"] in {"done", "failed"},
        "the import being done",
    )
    product_id = str(product_id_of(skus[0]))
    await shop.stock_becomes(product_id, on_hand=5)
    if (told.body["processed"], told.body["failed"]) != (len(rows), 0):
        await until(lambda: shop.staff.ask("GET", path, HTTPStatus.OK), lambda _: False, "every row being imported")
    return product_id


async def fill_a_cart(shop: Shop, outcome: Outcome, reach: Reach) -> None:
    """A guest fills a cart, logs in, and orders it: each unit once, however often it was merged."""
    lamp = await shop.lamp(on_hand=9)
    await reach("fill")
    path = f"/cart/items/{lamp}"
    put = await shop.anyone.ask("PUT", path, HTTPStatus.OK, json={"quantity": 2})
    ada = await shop.customer()
    await reach("merge")
    headers = {"X-Cart-Token": put.headers["X-Cart-Token"]}
    await ada.client.ask("GET", "/cart", HTTPStatus.OK, headers=headers)
    await reach("order")
    order = (await ada.place({"from_cart": True}))["id"]
    await paid(shop, ada, order, outcome)
    await shop.stock_becomes(lamp, on_hand=7)


async def keep_an_account(shop: Shop, outcome: Outcome, reach: Reach) -> None:
    """Somebody registers, renews the login, changes their name and buys something."""
    lamp = await shop.lamp(on_hand=9)
    await reach("register")
    ada = await shop.customer()
    await reach("renew")
    await _renew(shop, ada)
    await reach("rename")
    profile = {"first_name": "Ada", "last_name": "King"}
    await ada.client.ask("PUT", "/users/profile", HTTPStatus.OK, json=profile)
    order = (await ada.order((lamp, 1)))["id"]
    await paid(shop, ada, order, outcome)
    await shop.letters(ada, "welcome", "paid")


async def _renew(shop: Shop, ada: Shopper) -> None:
    """Renew a login; a renewal whose answer was lost cannot be had again, so its owner logs in anew."""
    login = {"email": ada.email, "password": PASSWORD}
    tokens = await shop.anyone.ask("POST", "/users/login", HTTPStatus.OK, json=login)
    body = {"refresh_token": tokens.body["refresh_token"]}
    renewed = await shop.anyone.ask("POST", "/users/token/refresh", HTTPStatus.OK, HTTPStatus.UNAUTHORIZED, json=body)
    if renewed.status == HTTPStatus.UNAUTHORIZED:
        await shop.anyone.ask("POST", "/users/login", HTTPStatus.OK, json=login)


async def abandon(shop: Shop, outcome: Outcome, reach: Reach) -> None:
    """A hold whose order was never written is given back, and its customer is told; one that has an order stays."""
    lamp, ada = await shop.lamp(on_hand=9), await shop.customer()
    key = str(uuid4())
    abandoned = command_id(UUID(ada.user_id), OPERATION, key)
    await reach("hold")
    await _hold(shop, ada, abandoned, lamp)
    await reach("ask")
    await asyncio.to_thread(shop.clocks.ask_about, str(abandoned))
    await shop.stock_becomes(lamp, on_hand=9)
    body = {"items": [{"product_id": lamp, "quantity": 1}], "shipping_address": ADDRESS}
    await ada.client.ask("POST", "/orders", HTTPStatus.CONFLICT, json=body, key=key)
    order = (await ada.order((lamp, 1)))["id"]
    await reach("ask about what is placed")
    await asyncio.to_thread(shop.clocks.ask_about, order)
    await until(
        lambda: asyncio.to_thread(shop.clocks.is_asked_about, order), lambda asked: not asked, "inventory having asked"
    )
    await paid(shop, ada, order, outcome)
    await shop.stock_becomes(lamp, on_hand=8)


async def _hold(shop: Shop, ada: Shopper, order_id: UUID, product_id: str) -> None:
    """Hold a unit as an order service does that dies before it writes the order."""
    port = int(shop.system.processes["order.sidecar"].url.rsplit(":", 1)[1].strip("/"))
    token = shop.system.secrets["dapr-api-token-order"]
    sidecar = Sidecar(http_port=port, grpc_port=port + 100, api_token=token, host=LOOPBACK)
    request = ReserveRequest(order_id=str(order_id), lines=[Line(product_id=product_id, quantity=1)])
    access = ada.client.api.headers["Authorization"].removeprefix("Bearer ")
    async with GrpcChannel(sidecar, "inventory") as channel:

        async def held() -> bool:
            try:
                reply: ReserveReply = await channel.call(InventoryStub(channel.channel).Reserve, request, token=access)
            except SidecarAway:
                return False
            return reply.outcome == ReserveReply.HELD

        await until(held, bool, "the stock being held")


async def hear_late(shop: Shop, outcome: Outcome, reach: Reach) -> None:
    """Letters that every service has handled come once more, as dead letters: they are taken and change nothing."""
    lamp, ada = await shop.lamp(on_hand=9), await shop.customer()
    order = (await ada.order((lamp, 1)))["id"]
    await paid(shop, ada, order, outcome)
    await shop.stock_becomes(lamp, on_hand=8)
    await reach("letters")
    await asyncio.gather(*(_repeat(shop, app_id, order) for app_id in _LATE))
    await shop.stock_becomes(lamp, on_hand=8)


async def _repeat(shop: Shop, app_id: str, order_id: str) -> None:
    """Have a service find a letter among its dead ones, and wait until it is done with it."""
    service, kind = _LATE[app_id]
    fact = await asyncio.to_thread(shop.clocks.fact, service, kind, order_id)
    letter = {
        "specversion": "1.0",
        "id": str(uuid4()),
        "source": service,
        "type": kind,
        "topic": fact["topic"],
        "datacontenttype": "application/json",
        "data": fact["data"],
    }
    await shop.publish(app_id, topic_of(app_id), letter)
    await until(lambda: asyncio.to_thread(shop.clocks.is_parked, app_id, letter["id"]), bool, f"{app_id} parking")
    await until(lambda: asyncio.to_thread(_is_taken, shop, app_id, letter["id"]), bool, f"{app_id} taking a letter")


def _is_taken(shop: Shop, app_id: str, letter_id: str) -> bool:
    """Whether a letter is no longer parked; whoever claimed it and died leaves it to a later time, which is now."""
    if shop.clocks.is_parked(app_id, letter_id):
        shop.clocks.hurry()
        return False
    return True
