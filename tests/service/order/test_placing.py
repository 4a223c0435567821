"""Placing: once for each key, at today's prices, with its stock held, all or nothing."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from services.shared.sidecar import SidecarAway
from services.shared.sidecar_double import refused
from tests.service.order.shop import HOME, PEER, Shop, succeeded


async def test_an_order_is_placed_with_its_stock_held_and_one_fact(shop: Shop) -> None:
    answer = await shop.place((shop.lamp, 2), (shop.rug, 1))

    order = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/orders/{order['id']}"
    assert "Idempotent-Replayed" not in answer.headers
    assert (order["status"], order["version"], order["payment_id"]) == ("pending", 1, None)
    assert order["total_amount"] == {"amount": "28.00", "currency": "EUR"}
    assert [(item["sku"], item["quantity"], item["line_total"]["amount"]) for item in order["items"]] == [
        ("Lamp-1", 2, "25.00"),
        ("Rug-1", 1, "3.00"),
    ]
    assert order["shipping_address"] == HOME | {"line2": None, "region": None}
    assert [(entry["status"], entry["actor"]) for entry in order["history"]] == [
        ("pending", f"customer:{order['user_id']}")
    ]
    assert shop.stock.holds == {order["id"]: {str(shop.lamp): 2, str(shop.rug): 1}}
    assert shop.ada["Authorization"].endswith(shop.stock.tokens[0])
    [fact] = await shop.client.facts()
    assert (fact["type"], str(fact["aggregate_id"]), fact["version"]) == ("order.placed", order["id"], 1)
    assert "1 Road" not in str(fact["data"])
    assert await shop.get(order["id"]) == order


async def test_the_same_product_twice_is_one_line(shop: Shop) -> None:
    order = await shop.order((shop.lamp, 2), (shop.lamp, 3))

    assert [item["quantity"] for item in order["items"]] == [5]


async def test_more_units_than_a_line_has_are_named_also_when_they_come_in_two(shop: Shop) -> None:
    answer = await shop.place((shop.lamp, 1000), (shop.rug, 1), (shop.lamp, 1))

    assert (answer.status_code, answer.json()["type"]) == (422, "too-many-units")
    assert [error["field"] for error in answer.json()["errors"]] == ["items.0.quantity", "items.2.quantity"]
    assert shop.stock.holds == {}


async def test_a_token_that_expires_on_the_way_to_inventory_is_no_token(shop: Shop) -> None:
    shop.stock.refusal = refused(401, "unauthenticated")

    answer = await shop.place((shop.lamp, 1))

    assert (answer.status_code, answer.json()["type"]) == (401, "unauthenticated")


async def test_a_body_of_another_kind_that_is_nested_too_deep_is_refused(shop: Shop) -> None:
    headers = shop.ada | {"Idempotency-Key": "k", "Content-Type": "text/plain"}

    answer = await shop.client.post("/orders", content=b"[" * 100_000, headers=headers)

    assert answer.status_code == 422


async def test_the_same_key_again_answers_the_order_as_it_stands_now(shop: Shop) -> None:
    first = (await shop.place((shop.lamp, 2), key="k")).json()
    await shop.cancel(first)
    shop.prices(shop.lamp, "Lamp", "99.00", is_active=False)
    shop.stock.is_away = True

    again = await shop.place((shop.lamp, 2), key="k")

    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert (again.json()["id"], again.json()["status"]) == (first["id"], "cancelled")
    assert again.json()["total_amount"]["amount"] == "25.00"
    assert len(await shop.client.rows("SELECT id FROM orders")) == 1


async def test_the_same_key_with_another_body_is_refused_before_anything_else(shop: Shop) -> None:
    await shop.place((shop.lamp, 2), key="k")

    other = await shop.place((uuid4(), 10**9), key="k")

    assert (other.status_code, other.json()["type"]) == (422, "idempotency-key-reused")


async def test_the_same_key_of_another_customer_is_another_order(shop: Shop) -> None:
    first = await shop.place((shop.lamp, 1), key="k")

    second = await shop.place((shop.lamp, 1), key="k", by=shop.bob)

    assert second.status_code == 201
    assert second.json()["id"] != first.json()["id"]


async def test_a_refused_attempt_is_not_stored(shop: Shop) -> None:
    shop.stock.on_hand[str(shop.lamp)] = 1
    refused = await shop.place((shop.lamp, 2), key="k")
    shop.stock.on_hand[str(shop.lamp)] = 2

    again = await shop.place((shop.lamp, 2), key="k")

    assert (refused.status_code, again.status_code) == (409, 201)


async def test_more_than_there_is_names_the_lines_and_reserves_nothing(shop: Shop) -> None:
    shop.stock.on_hand[str(shop.rug)] = 1

    answer = await shop.place((shop.lamp, 2), (shop.rug, 5))

    assert (answer.status_code, answer.json()["type"]) == (409, "insufficient-stock")
    assert answer.json()["lines"] == [{"product_id": str(shop.rug), "requested": 5, "available": 1}]
    assert shop.stock.holds == {}
    assert await shop.client.facts() == []


async def test_an_unknown_and_a_retired_product_are_named(shop: Shop) -> None:
    shop.prices(shop.rug, "Rug", "3.00", is_active=False)

    answer = await shop.place((shop.lamp, 1), (shop.rug, 1), (uuid4(), 1))

    assert (answer.status_code, answer.json()["type"]) == (422, "unknown-product")
    assert [error["field"] for error in answer.json()["errors"]] == ["items.1.product_id", "items.2.product_id"]
    assert shop.stock.holds == {}


async def test_products_in_two_currencies_make_no_order(shop: Shop) -> None:
    book = shop.sells("Book", "9.00", "USD", on_hand=1)

    answer = await shop.place((shop.lamp, 1), (book, 1))

    assert (answer.status_code, answer.json()["type"]) == (422, "mixed-currencies")
    assert shop.stock.holds == {}


async def test_a_total_beyond_all_measure_makes_no_order(shop: Shop) -> None:
    palace = shop.sells("Palace", "90000000000.00", on_hand=9)

    answer = await shop.place((palace, 2))

    assert (answer.status_code, answer.json()["type"]) == (422, "total-too-large")


async def test_without_a_key_there_is_no_order(shop: Shop) -> None:
    answer = await shop.client.post("/orders", json={}, headers=shop.ada)

    assert (answer.status_code, answer.json()["type"]) == (400, "idempotency-key-required")


async def test_nobody_orders_without_a_token(shop: Shop) -> None:
    answer = await shop.place((shop.lamp, 1), by={"X-Nothing": ""})

    assert answer.status_code == 401


@pytest.mark.parametrize(
    "body",
    [
        {"items": []},
        {"items": [{"product_id": "1", "quantity": 1}]},
        {"items": [{"product_id": str(UUID(int=1)), "quantity": 0}]},
        {"items": [{"product_id": str(UUID(int=1)), "quantity": -1}]},
        {"items": [{"product_id": str(UUID(int=1)), "quantity": 10**9}]},
        {"items": [{"product_id": str(UUID(int=1)), "quantity": "2"}]},
        {"items": [{"product_id": str(UUID(int=1)), "quantity": 1, "price": "0.01"}]},
        {"items": [{"product_id": str(UUID(int=at)), "quantity": 1} for at in range(101)]},
        {"from_cart": False},
        {"from_cart": True, "items": [{"product_id": str(UUID(int=1)), "quantity": 1}]},
        {"from_cart": True, "shipping_address": HOME | {"country": "XX"}},
        {"from_cart": True, "shipping_address": HOME | {"name": "a\x00b"}},
        {"from_cart": True, "shipping_address": None},
        {"from_cart": True, "voucher": "FREE"},
        {},
    ],
)
async def test_a_body_that_makes_no_sense_is_refused(shop: Shop, body: dict[str, Any]) -> None:
    answer = await shop.place(**body)

    assert (answer.status_code, answer.json()["type"]) == (422, "invalid-request")
    assert answer.json()["errors"]
    assert shop.sidecar.calls == []


async def test_while_product_or_inventory_is_away_nothing_is_placed(shop: Shop) -> None:
    shop.stock.is_away = True
    without_stock = await shop.place((shop.lamp, 1))
    shop.sidecar.reply("product", "POST", "/internal/prices", SidecarAway())
    without_prices = await shop.place((shop.lamp, 1))

    assert [one.json()["type"] for one in (without_stock, without_prices)] == ["service-unavailable"] * 2
    assert without_stock.headers["Retry-After"] == "1"
    assert await shop.client.rows("SELECT order_id FROM placement") == []


async def test_payment_is_told_what_is_payable(shop: Shop) -> None:
    order = await shop.order()
    await shop.client.deliver(succeeded(order))

    found = await shop.client.get(f"/internal/payables/{order['id']}", headers=PEER)
    missing = await shop.client.get(f"/internal/payables/{uuid4()}", headers=PEER)
    unnamed = await shop.client.get(f"/internal/payables/{order['id']}")

    assert found.json() == {
        "order_id": order["id"],
        "user_id": order["user_id"],
        "status": "paid",
        "amount": {"amount": "25.00", "currency": "EUR"},
        "version": 2,
        "expires_at": order["expires_at"],
        "has_left": False,
    }
    assert (missing.status_code, missing.json()["type"]) == (404, "order-not-found")
    assert unnamed.status_code == 403
