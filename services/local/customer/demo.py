"""The journey of an order, played against the running system and told to a person."""

import gzip
import json
import os
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import TextIO

from services.local import console
from services.local.customer import client, importing, unhappy
from services.local.customer.actors import Cast, Customer, Json
from services.local.customer.narration import Narrator, check, eventually, money, short
from services.local.customer.place import Place
from services.local.topology import ROOT

QUERY = "bluetooth speaker"
ON_HAND = 100


async def play(place: Place) -> None:
    """Play all of it.

    :raises Refusal: something that the demo claims is not so
    """
    narrator = Narrator(console.out)
    async with client.connected(place.base_url) as api:
        cast = await Cast.gathered(api, place)
        await _prepare(narrator, cast, os.environ)
        found = await buy_and_receive(narrator, cast)
        await unhappy.play(narrator, cast, found[0]["id"])
    console.out.print(f"\nAll of it is so.\n  Mail  {place.mailbox_url}\n  API   {place.base_url}/docs")


def reference_file(environment: Mapping[str, str]) -> Path:
    """Where the reference catalogue would be."""
    return Path(environment.get("SIDECART_DATA", ROOT.parent / "shared" / "data")) / "products.jsonl.gz"


async def _prepare(narrator: Narrator, cast: Cast, environment: Mapping[str, str]) -> None:
    narrator.chapter("The catalogue")
    file = reference_file(environment)
    if not file.exists():
        narrator.console.print(f"  There is no {file}, so the generated catalogue is used.", soft_wrap=True)
    elif await _has(cast, first_product(file)):
        narrator.console.print("  The reference catalogue is here already.")
    else:
        with narrator.step(f"the staff import {file.name}, {ON_HAND} pieces each") as step:
            summary = await importing.from_file(cast.staff, file, on_hand=ON_HAND, console=narrator.console)
            check(summary.failed == 0, f"{summary.failed} products were refused")
            step.remark(f"{summary.rows} products")


def first_product(file: Path) -> Json:
    """The first row of a catalogue."""
    with _text(file) as text:
        row: Json = json.loads(text.readline())
    return row


def _text(file: Path) -> TextIO:
    return gzip.open(file, "rt", encoding="utf-8")


async def _has(cast: Cast, row: Json) -> bool:
    found = await cast.anyone.get("/products/search", q=row["title"])
    return any(card["sku"] == row["sku"] for card in found["items"])


async def buy_and_receive(narrator: Narrator, cast: Cast) -> list[Json]:
    """The journey that everybody hopes for; the answer is the products that were bought."""
    narrator.chapter("A customer buys two things")
    with narrator.step("Ada registers and logs in") as step:
        ada = await cast.new_customer("Ada")
        step.remark(ada.email)
    found = await _search(narrator, cast)
    before = [await cast.stock(product["id"]) for product in found]
    order = await _order(narrator, ada, found)
    with narrator.step("the stock is reserved, none of it has left") as step:
        for stock in before:
            step.remark(await cast.stock_changes(stock, reserved=1))
    await _pay(narrator, cast, ada, order)
    with narrator.step("the stock is committed: what was reserved has left") as step:
        for stock in before:
            step.remark(await cast.stock_changes(stock, on_hand=-1))
    await _look_around(narrator, cast, ada, order["id"])
    await _deliver(narrator, cast, ada, order["id"])
    return found


async def _search(narrator: Narrator, cast: Cast) -> list[Json]:
    with narrator.step(f"she searches for “{QUERY}”") as step:
        answer = await eventually(
            lambda: cast.anyone.get("/products/search", q=QUERY, in_stock="true"),
            lambda answer: len(answer["items"]) > 1,
            what="finding two products that are in stock",
            within=60,
        )
        cards: list[Json] = answer["items"]
        for card in cards[:3]:
            step.remark(f"{card['name'][:70]} — {money(card['price'])}")
    return cards[:2]


async def _order(narrator: Narrator, ada: Customer, products: list[Json]) -> Json:
    with narrator.step("she puts two of them in the cart") as step:
        for product in products:
            put = await ada.api.call("PUT", f"/cart/items/{product['id']}", json={"quantity": 1})
            cart = put.expect(HTTPStatus.OK)
        check(len(cart["items"]) == len(products), f"the cart has {len(cart['items'])} lines")
        step.remark(f"together {money(cart['total_amount'])}")
    with narrator.step("she orders what is in the cart") as step:
        order: Json = (await ada.order_cart()).expect(HTTPStatus.CREATED)
        check(order["status"] == "pending", f"the new order is {order['status']}")
        check(order["total_amount"] == cart["total_amount"], "the order's total is not the cart's")
        step.remark(f"order {short(order['id'])}, {money(order['total_amount'])}, pending")
    return order


async def _pay(narrator: Narrator, cast: Cast, ada: Customer, order: Json) -> None:
    with narrator.step("she pays with pm_card_visa") as step:
        payment = (await ada.pay(order["id"])).expect(HTTPStatus.CREATED)
        check(payment["amount"] == order["total_amount"], f"{money(payment['amount'])} was taken")
        check(payment["status"] == "succeeded", f"the payment is {payment['status']}")
        step.remark(f"payment {short(payment['id'])}, {money(payment['amount'])}, {payment['provider_reference']}")
    with narrator.step("the event makes the order paid"):
        await ada.becomes(order["id"], "paid")
    with narrator.step("the mailbox holds “order placed” and “paid”") as step:
        for letter in await cast.letters(ada, "placed", "paid"):
            step.remark(letter["subject"])


async def _look_around(narrator: Narrator, cast: Cast, ada: Customer, order_id: str) -> None:
    with narrator.step("the timeline shows it, from every service") as step:
        timeline = await eventually(
            lambda: ada.api.get(f"/orders/{order_id}/timeline"),
            lambda told: {"order", "payment", "inventory"} <= {entry["source"] for entry in told["items"]},
            what="order, payment and inventory being in the timeline",
        )
        for entry in timeline["items"]:
            step.remark(f"{entry['at'][11:23]}  {entry['source']:<10} {entry['summary']}")
    with narrator.step("the staff see the same order"):
        seen = await cast.staff.get(f"/orders/{order_id}")
        check(seen["status"] == "paid", f"the staff see it as {seen['status']}")


async def _deliver(narrator: Narrator, cast: Cast, ada: Customer, order_id: str) -> None:
    with narrator.step("the staff ship it"):
        parcel = {"carrier": "An Post", "tracking_number": "CX123456785IE"}
        (await cast.staff.call("POST", f"/orders/{order_id}/ship", json=parcel)).expect(HTTPStatus.OK)
    with narrator.step("the staff deliver it"):
        (await cast.staff.call("POST", f"/orders/{order_id}/deliver")).expect(HTTPStatus.OK)
    with narrator.step("the customer sees its history") as step:
        history = (await ada.see(order_id))["history"]
        statuses = [entry["status"] for entry in history]
        check(statuses == ["pending", "paid", "shipped", "delivered"], f"the history is {statuses}")
        for entry in history:
            step.remark(f"{entry['at'][11:23]}  {entry['status']}")
