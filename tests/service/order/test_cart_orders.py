"""Ordering a cart: a cart makes one order, however many tabs try."""

from uuid import UUID

from services.order.clients import Inventory
from services.order.domain.address import Address
from services.order.operations.cart import Shopper
from services.order.operations.checkout import Checkout, Command, Desk, place_from_cart
from services.shared.identity import Principal, Role
from tests.service.order.baskets import EMPTY, guest_with, put, show
from tests.service.order.shop import HOME, Shop


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

    first, second = await shop.at_once(*(shop.place(from_cart=True, key="k") for _ in range(2)))

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert len(await shop.client.facts()) == 1


async def test_a_repetition_that_finds_its_own_order_of_the_cart_answers_it(shop: Shop) -> None:
    await put(shop, shop.lamp, 2)
    placed = (await shop.place(from_cart=True, key="k")).json()
    [row] = await shop.client.rows("SELECT fingerprint FROM orders")
    runtime = shop.client.runtime
    checkout = Checkout(
        command=Command(order_id=UUID(placed["id"]), fingerprint=row["fingerprint"]),
        customer=Principal(id=shop.ada_id, role=Role.CUSTOMER, token="t"),
        address=Address(**HOME),
        at=shop.clock.now,
    )
    desk = Desk(database=runtime.database, sidecar=runtime.sidecar, inventory=runtime.part(Inventory))

    again = await place_from_cart(checkout, Shopper(user_id=shop.ada_id, guest_token=None), desk=desk)

    assert (again.is_replayed, str(again.order.id)) == (True, placed["id"])


async def test_two_tabs_with_two_keys_make_one_order_and_the_loser_learns_which(shop: Shop) -> None:
    await put(shop, shop.lamp, 2)

    answers = await shop.at_once(*(shop.place(from_cart=True) for _ in range(2)))

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
