"""Carts of customers and guests."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from services.shared.sidecar import SidecarAway, StateItem
from tests.service.order.baskets import EMPTY, guest_with, put, show, units
from tests.service.order.shop import Shop


async def test_a_cart_shows_names_prices_and_a_total(shop: Shop) -> None:
    await put(shop, shop.lamp, 2)
    answer = await put(shop, shop.rug, 1)

    euros = {"currency": "EUR"}
    assert answer.status_code == 200
    assert answer.json() == await show(shop)
    assert answer.json() == {
        "items": [
            {
                "product_id": str(shop.lamp),
                "name": "Lamp",
                "quantity": 2,
                "unit_price": euros | {"amount": "12.50"},
                "line_total": euros | {"amount": "25.00"},
                "flags": [],
            },
            {
                "product_id": str(shop.rug),
                "name": "Rug",
                "quantity": 1,
                "unit_price": euros | {"amount": "3.00"},
                "line_total": euros | {"amount": "3.00"},
                "flags": [],
            },
        ],
        "total_amount": euros | {"amount": "28.00"},
    }


async def test_putting_again_sets_the_quantity_and_removing_takes_the_line(shop: Shop) -> None:
    await put(shop, shop.lamp, 2)
    await put(shop, shop.lamp, 5)
    await put(shop, shop.rug, 1)
    before = await show(shop)

    removed = await shop.client.delete(f"/cart/items/{shop.lamp}", headers=shop.ada)
    again = await shop.client.delete(f"/cart/items/{shop.lamp}", headers=shop.ada)
    cleared = await shop.client.delete("/cart", headers=shop.ada)

    assert units(before) == {"Lamp": 5, "Rug": 1}
    assert units(removed.json()) == units(again.json()) == {"Rug": 1}
    assert cleared.json() == await show(shop) == EMPTY


async def test_prices_are_read_again_at_each_view_and_changes_are_flagged(shop: Shop) -> None:
    await put(shop, shop.lamp, 2)
    await put(shop, shop.rug, 1)
    shop.prices(shop.lamp, "Lamp", "13.00")
    shop.prices(shop.rug, "Rug", "3.00", is_active=False)

    cart = await show(shop)

    assert [item["flags"] for item in cart["items"]] == [["price_changed"], ["unavailable"]]
    assert cart["total_amount"]["amount"] == "26.00"
    assert (await put(shop, shop.lamp, 2)).json()["items"][0]["flags"] == []


async def test_what_is_not_on_sale_cannot_be_put_in(shop: Shop) -> None:
    shop.prices(shop.rug, "Rug", "3.00", is_active=False)

    answers = [await put(shop, one) for one in (uuid4(), shop.rug)]

    assert [(one.status_code, one.json()["type"]) for one in answers] == [(404, "product-not-found")] * 2


@pytest.mark.parametrize("quantity", [0, -1, 10**9, "2", 1.5, None])
async def test_an_absurd_quantity_is_refused(shop: Shop, quantity: Any) -> None:
    answer = await put(shop, shop.lamp, quantity)

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "quantity")


async def test_a_guest_gets_a_token_with_the_first_write_and_keeps_the_cart_by_it(shop: Shop) -> None:
    nothing = await shop.client.get("/cart")
    first = await put(shop, shop.lamp, 2, by={})
    guest = {"X-Cart-Token": first.headers["X-Cart-Token"]}
    second = await put(shop, shop.rug, 1, by=guest)

    assert "X-Cart-Token" not in nothing.headers
    assert "X-Cart-Token" not in second.headers
    assert nothing.json() == EMPTY
    assert len(guest["X-Cart-Token"]) >= 40
    assert units(await show(shop, guest)) == {"Lamp": 2, "Rug": 1}


async def test_a_guest_without_a_cart_has_nothing_to_remove(shop: Shop) -> None:
    answers = [await shop.client.delete(path) for path in ("/cart", f"/cart/items/{shop.lamp}")]

    assert [(one.status_code, one.json()) for one in answers] == [(200, EMPTY)] * 2


@pytest.mark.parametrize("token", ["short", "a/../../cart:1" * 3, "x" * 129])
async def test_a_token_that_was_never_given_out_is_refused(shop: Shop, token: str) -> None:
    answer = await shop.client.get("/cart", headers={"X-Cart-Token": token})

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "X-Cart-Token")


async def test_a_bad_access_token_does_not_make_a_guest(shop: Shop) -> None:
    answer = await shop.client.get("/cart", headers={"Authorization": "Bearer nonsense"})

    assert answer.status_code == 401


async def test_signing_in_merges_the_guests_cart_once(shop: Shop) -> None:
    guest = await guest_with(shop, shop.lamp, 2)
    await put(shop, shop.lamp, 1)

    carts = [await show(shop, shop.ada | guest) for _ in range(3)]

    assert [units(cart) for cart in carts] == [{"Lamp": 3}] * 3
    assert await show(shop, guest) == EMPTY


async def test_two_calls_at_once_merge_the_guests_cart_once(shop: Shop) -> None:
    guest = await guest_with(shop, shop.lamp, 2)

    carts = await asyncio.gather(*(show(shop, shop.ada | guest) for _ in range(4)))

    assert [units(cart) for cart in carts] == [{"Lamp": 2}] * 4


async def test_a_merge_that_died_before_it_emptied_the_guests_cart_is_not_repeated(shop: Shop) -> None:
    guest = await guest_with(shop, shop.lamp, 2)
    before = await shop.sidecar.load_state(f"guest:{guest['X-Cart-Token']}")
    await show(shop, shop.ada | guest)
    emptied = await shop.sidecar.load_state(f"guest:{guest['X-Cart-Token']}")
    await shop.sidecar.save_state(f"guest:{guest['X-Cart-Token']}", before.value, etag=emptied.etag, seconds_to_live=60)

    assert units(await show(shop, shop.ada | guest)) == {"Lamp": 2}


async def test_a_guest_who_fills_another_cart_merges_that_too(shop: Shop) -> None:
    guest = await guest_with(shop, shop.lamp, 2)
    await show(shop, shop.ada | guest)
    await put(shop, shop.rug, 1, by=guest)

    assert units(await show(shop, shop.ada | guest)) == {"Lamp": 2, "Rug": 1}


async def test_the_guests_cart_is_merged_by_a_write_and_by_an_order_too(shop: Shop) -> None:
    guest = await guest_with(shop, shop.lamp, 2)
    put_by_ada = await put(shop, shop.rug, 1, by=shop.ada | guest)
    other_guest = await guest_with(shop, shop.lamp, 4)

    ordered = await shop.place(from_cart=True, by=shop.bob | other_guest)

    assert units(put_by_ada.json()) == {"Rug": 1, "Lamp": 2}
    assert [item["quantity"] for item in ordered.json()["items"]] == [4]


async def test_two_writes_at_once_are_both_kept(shop: Shop) -> None:
    await asyncio.gather(put(shop, shop.lamp, 2), put(shop, shop.rug, 1))

    assert units(await show(shop)) == {"Lamp": 2, "Rug": 1}


async def test_a_cart_that_never_rests_is_busy(shop: Shop) -> None:
    busy = shop.sidecar.load_state

    async def always_behind(key: str) -> StateItem:
        item = await busy(key)
        await shop.sidecar.save_state(key, item.value or {}, etag=item.etag, seconds_to_live=60)
        return item

    shop.sidecar.load_state = always_behind  # type: ignore[method-assign]
    answer = await put(shop, shop.lamp, 1)

    assert (answer.status_code, answer.json()["type"]) == (409, "cart-busy")


async def test_without_the_state_store_there_is_a_clear_refusal(shop: Shop) -> None:
    shop.sidecar.is_away = True
    answers = [await shop.client.get("/cart", headers=shop.ada), await put(shop, shop.lamp)]

    assert [(one.status_code, one.json()["type"]) for one in answers] == [(503, "service-unavailable")] * 2


async def test_without_prices_the_cart_cannot_be_shown(shop: Shop) -> None:
    await put(shop, shop.lamp)
    shop.sidecar.reply("product", "POST", "/internal/prices", SidecarAway())

    answer = await shop.client.get("/cart", headers=shop.ada)

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
