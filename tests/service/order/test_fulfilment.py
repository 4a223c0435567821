"""What people do with an order: look, readdress, cancel, ship, deliver."""

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from services.shared.identity import Role
from tests.conditions import eventually
from tests.service.order.shop import HOME, PARCEL, WORK, Shop, payment_id_of, refund_of, succeeded


async def test_a_customer_sees_their_own_orders_and_staff_see_all(shop: Shop) -> None:
    first = await shop.order()
    shop.clock.advance(seconds=1)
    second = await shop.order()
    shop.clock.advance(seconds=1)
    bobs = await shop.order(by=shop.bob)

    adas = await shop.client.get("/orders", headers=shop.ada)
    all_of_them = await shop.client.get("/orders", headers=shop.staff)

    assert adas.json() == {"items": [second, first], "next_cursor": None}
    assert [order["id"] for order in all_of_them.json()["items"]] == [bobs["id"], second["id"], first["id"]]


async def test_orders_are_listed_by_status_and_page_by_page(shop: Shop) -> None:
    placed = [await shop.order() for _ in range(5)]
    await shop.cancel(placed[0])
    seen, cursor = [], None

    while True:
        query = {"status": "pending", "limit": "2"} | ({"cursor": cursor} if cursor else {})
        page = (await shop.client.get("/orders", params=query, headers=shop.ada)).json()
        seen += [order["id"] for order in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert seen == sorted((order["id"] for order in placed[1:]), reverse=True)


@pytest.mark.parametrize("query", ["status=lost", "limit=0", "limit=101", "cursor=nonsense", "cursor=WzEsMl0"])
async def test_a_list_refuses_what_it_does_not_understand(shop: Shop, query: str) -> None:
    answer = await shop.client.get(f"/orders?{query}", headers=shop.ada)

    assert answer.status_code == 422


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("GET", "/timeline", None),
        ("PUT", "", {"shipping_address": WORK}),
        ("DELETE", "", None),
    ],
)
async def test_somebody_elses_order_is_not_there(shop: Shop, method: str, path: str, body: Any) -> None:
    order = await shop.order()

    foreign = await shop.client.request(method, f"/orders/{order['id']}{path}", json=body, headers=shop.bob)
    missing = await shop.client.request(method, f"/orders/{uuid4()}{path}", json=body, headers=shop.bob)
    malformed = await shop.client.request(method, f"/orders/nonsense{path}", json=body, headers=shop.bob)

    assert [foreign.status_code, missing.status_code, malformed.status_code] == [404, 404, 404]
    assert foreign.json()["type"] == missing.json()["type"] == "order-not-found"
    assert await shop.get(order["id"]) == order


@pytest.mark.parametrize("step", ["ship", "deliver"])
async def test_only_staff_fulfil(shop: Shop, step: str) -> None:
    order = await shop.order_in("paid")
    body = PARCEL if step == "ship" else None

    answer = await shop.client.post(f"/orders/{order['id']}/{step}", json=body, headers=shop.ada)
    missing = await shop.client.post(f"/orders/{uuid4()}/{step}", json=body, headers=shop.staff)

    assert (answer.status_code, missing.status_code) == (403, 404)


async def test_an_order_goes_from_paid_to_shipped_to_delivered(shop: Shop) -> None:
    order = await shop.order_in("paid")

    shipped = (await shop.ship(order)).json()
    delivered = (await shop.deliver(order)).json()

    assert (shipped["status"], shipped["carrier"], shipped["tracking_number"]) == ("shipped", "DHL", "00340")
    assert [entry["status"] for entry in delivered["history"]] == ["pending", "paid", "shipped", "delivered"]
    assert delivered["history"][-1]["actor"] == f"staff:{shop.staff_id}"
    assert [fact["version"] for fact in await shop.client.facts()] == [1, 2, 3, 4]
    assert await shop.get(order["id"], shop.ada) == delivered


async def test_shipping_or_delivering_the_same_again_changes_nothing(shop: Shop) -> None:
    order = await shop.order_in("paid")

    shipped = [(await shop.ship(order)).json() for _ in range(2)]
    other = await shop.ship(order, tracking_number="00341")
    delivered = [(await shop.deliver(order)).json() for _ in range(2)]

    assert shipped[0] == shipped[1]
    assert delivered[0] == delivered[1]
    assert (other.status_code, other.json()["type"]) == (409, "order-cannot-move")
    assert len(await shop.client.facts()) == 4


async def test_what_is_not_paid_does_not_ship_and_what_is_not_shipped_is_not_delivered(shop: Shop) -> None:
    order = await shop.order()

    answers = [await shop.ship(order), await shop.deliver(order)]

    assert [(one.status_code, one.json()["type"]) for one in answers] == [(409, "order-cannot-move")] * 2
    assert answers[0].json()["detail"] == "An order that is pending cannot become shipped."


@pytest.mark.parametrize("body", [{}, {"carrier": "DHL"}, PARCEL | {"carrier": " "}, PARCEL | {"weight": 1}])
async def test_a_parcel_needs_a_carrier_and_a_number(shop: Shop, body: dict[str, Any]) -> None:
    order = await shop.order_in("paid")

    answer = await shop.client.post(f"/orders/{order['id']}/ship", json=body, headers=shop.staff)

    assert answer.status_code == 422


@pytest.mark.parametrize("status", ["pending", "paid"])
async def test_an_order_that_has_not_left_can_be_cancelled_once(shop: Shop, status: str) -> None:
    order = await shop.order_in(status)

    first, again = [await shop.cancel(order) for _ in range(2)]

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json() == again.json()
    assert (first.json()["status"], first.json()["history"][-1]["reason"]) == ("cancelled", "requested")
    assert [fact["type"] for fact in await shop.client.facts()][-1] == "order.cancelled"
    assert len(await shop.client.facts()) == order["version"] + 1


async def test_a_cancelled_order_stays_cancelled_for_whoever_asks_again_after_its_money_went_back(shop: Shop) -> None:
    order = await shop.order_in("paid")
    await shop.cancel(order)
    await shop.client.deliver(refund_of(order))

    again = await shop.cancel(order)

    assert (again.status_code, again.json()["status"]) == (200, "refunded")
    assert again.json() == await shop.get(order["id"])


@pytest.mark.parametrize("status", ["shipped", "delivered"])
@pytest.mark.parametrize("is_refunded", [False, True])
async def test_an_order_that_has_left_is_not_cancelled_by_staff_either(
    shop: Shop, status: str, *, is_refunded: bool
) -> None:
    order = await shop.order_in(status)
    if is_refunded:
        await shop.client.deliver(refund_of(order))

    answers = [await shop.cancel(order), await shop.cancel(order, shop.staff)]

    assert [(one.status_code, one.json()["type"]) for one in answers] == [(409, "order-cannot-move")] * 2


async def test_staff_cancel_an_order_of_a_customer_in_their_own_name(shop: Shop) -> None:
    order = await shop.order()

    cancelled = (await shop.cancel(order, shop.staff)).json()

    assert cancelled["history"][-1]["actor"] == f"staff:{shop.staff_id}"


@pytest.mark.parametrize("status", ["pending", "paid"])
async def test_the_owner_sends_an_order_elsewhere_while_it_has_not_left(shop: Shop, status: str) -> None:
    order = await shop.order_in(status)

    changed = await _readdress(shop, order, WORK)
    again = await _readdress(shop, order, WORK)

    assert changed.status_code == 200
    assert changed.json()["shipping_address"] == WORK | {"line2": None}
    assert changed.json()["version"] == order["version"] + 1
    assert again.json() == changed.json() == await shop.get(order["id"])
    fact = (await shop.client.facts())[-1]
    assert fact["type"] == "order.readdressed"
    assert "2 Street" not in str(fact["data"])


async def test_an_order_that_has_left_keeps_its_address(shop: Shop) -> None:
    order = await shop.order_in("shipped")

    answer = await _readdress(shop, order, WORK)

    assert (answer.status_code, answer.json()["type"]) == (409, "order-cannot-be-readdressed")
    assert (await shop.get(order["id"]))["shipping_address"]["line1"] == "1 Road"


async def test_staff_do_not_readdress_a_customers_order(shop: Shop) -> None:
    order = await shop.order()

    answer = await shop.client.put(f"/orders/{order['id']}", json={"shipping_address": WORK}, headers=shop.staff)

    assert answer.status_code == 404


async def test_an_order_whose_address_was_erased_is_still_there(shop: Shop) -> None:
    order = await shop.order()
    await shop.client.rows("DELETE FROM shipping_address")

    erased = await shop.get(order["id"])
    readdressed = await _readdress(shop, order, HOME)

    assert erased == order | {"shipping_address": None}
    assert readdressed.json()["shipping_address"]["line1"] == "1 Road"


async def test_cancelling_and_paying_at_once_end_in_one_story(shop: Shop) -> None:
    order = await shop.order()

    cancelled, paid = await asyncio.gather(shop.cancel(order), shop.client.deliver(succeeded(order)))

    found = await shop.get(order["id"])
    assert (cancelled.status_code, paid, found["status"]) == (200, "SUCCESS", "cancelled")
    facts = [fact["type"] for fact in await shop.client.facts()]
    assert facts in (
        ["order.placed", "order.paid", "order.cancelled"],
        ["order.placed", "order.cancelled", "order.noted"],
    )
    assert found["payment_id"] == str(payment_id_of(order))
    assert (found["history"][-1]["reason"] == "paid-after-cancellation") == (facts[-1] == "order.noted")


async def test_many_cancel_at_once_and_there_is_one_fact(shop: Shop) -> None:
    order = await shop.order()

    async with shop.client.runtime.database.engine.connect() as connection:
        await connection.exec_driver_sql("SELECT FROM orders FOR UPDATE")
        cancelling = [asyncio.create_task(shop.cancel(order)) for _ in range(5)]
        await eventually(lambda: shop.waiting(5))
        await connection.rollback()

    answers = await asyncio.gather(*cancelling)
    assert [(answer.status_code, answer.json()["version"]) for answer in answers] == [(200, 2)] * 5
    assert len(await shop.client.facts()) == 2


async def test_an_admin_is_staff_too(shop: Shop) -> None:
    order = await shop.order()

    found = await shop.client.get(f"/orders/{order['id']}", headers=shop.tokens.headers(Role.ADMIN))

    assert found.json() == order


async def _readdress(shop: Shop, order: dict[str, Any], address: dict[str, str]) -> Any:
    return await shop.client.put(f"/orders/{order['id']}", json={"shipping_address": address}, headers=shop.ada)
