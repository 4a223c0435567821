"""Carts of customers and guests, and the one order that a cart makes."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from services.shared.sidecar import SidecarAway, StateItem
from tests.service.order.shop import Shop

EMPTY: dict[str, Any] = {"items": [], "total_amount": None}


async def put(shop: Shop, product_id: UUID, quantity: Any = 1, by: dict[str, str] | None = None) -> httpx2.Response:
    headers = shop.ada if by is None else by
    return await shop.client.put(f"/cart/items/{product_id}", json={"quantity": quantity}, headers=headers)


async def show(shop: Shop, by: dict[str, str] | None = None) -> dict[str, Any]:
    answer = await shop.client.get("/cart", headers=shop.ada if by is None else by)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def guest_with(shop: Shop, product_id: UUID, quantity: int = 1) -> dict[str, str]:
    answer = await put(shop, product_id, quantity, by={})
    return {"X-Cart-Token": answer.headers["X-Cart-Token"]}


def units(cart: dict[str, Any]) -> dict[str, int]:
    return {item["name"]: item["quantity"] for item in cart["items"]}


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


async def test_an_order_from_the_cart_empties_it_and_the_next_write_starts_another(shop: Shop) -> None:
    await put(shop, shop.lamp, 2)
    await put(shop, shop.rug, 1)

    ordered = await shop.place(from_cart=True)
    after = await show(shop)
    await put(shop, shop.rug, 7)
    next_order = await shop.place(from_cart=True)

    assert ordered.status_code == 201
    assert {item["name"]: item["quantity"] for item in ordered.json()["items"]} == {"Lamp": 2, "Rug": 1}
    assert after == EMPTY
    assert [item["quantity"] for item in next_order.json()["items"]] == [7]
    assert ordered.json()["id"] != next_order.json()["id"]


async def test_a_guests_cart_that_was_merged_and_ordered_does_not_come_back(shop: Shop) -> None:
    guest = await guest_with(shop, shop.lamp, 2)
    await shop.place(from_cart=True, by=shop.ada | guest)

    assert await show(shop, shop.ada | guest) == EMPTY


async def test_the_same_key_again_answers_the_order_of_the_cart(shop: Shop) -> None:
    await put(shop, shop.lamp, 2)

    first = await shop.place(from_cart=True, key="k")
    again = await shop.place(from_cart=True, key="k")

    assert (again.status_code, again.headers["Idempotent-Replayed"]) == (201, "true")
    assert again.json() == first.json()


async def test_two_tabs_with_one_key_make_one_order_and_get_one_answer(shop: Shop) -> None:
    await put(shop, shop.lamp, 2)

    first, second = await asyncio.gather(*(shop.place(from_cart=True, key="k") for _ in range(2)))

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert len(await shop.client.facts()) == 1


async def test_two_tabs_with_two_keys_make_one_order_and_the_loser_learns_which(shop: Shop) -> None:
    await put(shop, shop.lamp, 2)

    answers = await asyncio.gather(*(shop.place(from_cart=True) for _ in range(2)))

    won, lost = sorted(answers, key=lambda answer: answer.status_code)
    assert (won.status_code, lost.status_code) == (201, 409)
    assert (lost.json()["type"], lost.json()["order_id"]) == ("cart-already-ordered", won.json()["id"])
    assert len(await shop.client.rows("SELECT order_id FROM placement")) == 1


async def test_a_tab_that_comes_later_with_another_key_learns_which_order_it_became(shop: Shop) -> None:
    await put(shop, shop.lamp, 2)
    won = await shop.place(from_cart=True)

    lost = await shop.place(from_cart=True)

    assert (lost.status_code, lost.json()["type"]) == (409, "cart-already-ordered")
    assert lost.json()["order_id"] == won.json()["id"]
    assert len(shop.stock.holds) == 1


async def test_an_empty_cart_makes_no_order(shop: Shop) -> None:
    never_filled = await shop.place(from_cart=True)
    await put(shop, shop.lamp, 2)
    await shop.client.delete("/cart", headers=shop.ada)
    cleared = await shop.place(from_cart=True)

    assert [(one.status_code, one.json()["type"]) for one in (never_filled, cleared)] == [(422, "cart-empty")] * 2


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
