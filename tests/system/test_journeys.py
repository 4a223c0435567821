"""Journeys of customers and staff through the public API, as they would make them."""

import asyncio
from http import HTTPStatus
from uuid import uuid4

import pytest

from services.local.customer import demo
from services.local.customer.actors import ADDRESS, Cast
from services.local.customer.narration import eventually
from services.local.customer.place import Place
from tests.system.conftest import Databases, Shop


async def test_the_demo_plays_the_whole_journey(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    await demo.play(place)

    assert "All of it is so." in capsys.readouterr().out


async def test_two_customers_want_the_last_lamp_and_one_gets_it(cast: Cast, shop: Shop) -> None:
    lamp = await shop.lamp(on_hand=1)
    buyers = [await cast.new_customer(name) for name in ("Ada", "Ben", "Cleo", "Dan")]

    replies = await asyncio.gather(*(buyer.order((lamp["product_id"], 1)) for buyer in buyers))

    assert sorted(reply.status for reply in replies) == [201, 409, 409, 409]
    stock = await cast.stock(lamp["product_id"])
    assert (stock["on_hand"], stock["reserved"], stock["available"]) == (1, 1, 0)


async def test_the_same_order_sent_ten_times_at_once_is_one_order(cast: Cast, shop: Shop, databases: Databases) -> None:
    lamp, ada, key = await shop.lamp(on_hand=50), await cast.new_customer("Ada"), str(uuid4())
    body = {"items": [{"product_id": lamp["product_id"], "quantity": 2}], "shipping_address": ADDRESS}

    replies = await asyncio.gather(*(ada.api.call("POST", "/orders", json=body, key=key) for _ in range(10)))

    assert {reply.status for reply in replies} == {201}
    (order_id,) = {reply.body["id"] for reply in replies}
    assert sum("Idempotent-Replayed" not in reply.headers for reply in replies) == 1
    assert (await cast.stock(lamp["product_id"]))["reserved"] == 2
    facts = databases.rows("order", "SELECT type FROM outbox WHERE aggregate_id = %s", order_id)
    assert [fact["type"] for fact in facts] == ["order.placed"]


async def test_the_same_payment_sent_five_times_at_once_charges_once(
    cast: Cast, shop: Shop, databases: Databases
) -> None:
    lamp, ada, key = await shop.lamp(on_hand=5), await cast.new_customer("Ada"), str(uuid4())
    order = (await ada.order((lamp["product_id"], 1))).expect(HTTPStatus.CREATED)
    body = {"order_id": order["id"], "payment_method": "pm_card_visa"}

    replies = await asyncio.gather(*(ada.api.call("POST", "/payments", json=body, key=key) for _ in range(5)))

    assert {reply.status for reply in replies} == {201}
    assert len({reply.body["id"] for reply in replies}) == 1
    await ada.becomes(order["id"], "paid")
    facts = databases.rows("payment", "SELECT type FROM outbox WHERE data->>'order_id' = %s", order["id"])
    assert [fact["type"] for fact in facts] == ["payment.succeeded"]


async def test_an_unpaid_order_expires_and_its_stock_is_free(cast: Cast, shop: Shop, databases: Databases) -> None:
    lamp, ada = await shop.lamp(on_hand=3), await cast.new_customer("Ada")
    order = (await ada.order((lamp["product_id"], 2))).expect(HTTPStatus.CREATED)
    before = await cast.stock(lamp["product_id"])
    assert before["reserved"] == 2

    over = "UPDATE orders SET expires_at = now() - interval '1 second', next_check_at = now() WHERE id = %s"
    databases.rows("order", over, order["id"])

    expired = await ada.becomes(order["id"], "cancelled")
    assert expired["history"][-1]["reason"] == "expired"
    await cast.stock_changes(before, reserved=-2)
    late = await ada.pay(order["id"])
    assert (late.status, late.body["type"]) == (409, "order-not-payable")


async def test_a_full_refund_before_shipping_cancels_the_order(cast: Cast, shop: Shop) -> None:
    lamp, ada = await shop.lamp(on_hand=3), await cast.new_customer("Ada")
    before = await cast.stock(lamp["product_id"])
    order = (await ada.order((lamp["product_id"], 1))).expect(HTTPStatus.CREATED)
    payment = (await ada.pay(order["id"])).expect(HTTPStatus.CREATED)
    await ada.becomes(order["id"], "paid")
    await cast.stock_changes(before, on_hand=-1)

    refund = await cast.staff.call("POST", f"/payments/{payment['id']}/refund", json={}, key=str(uuid4()))

    refund.expect(HTTPStatus.CREATED)
    await ada.becomes(order["id"], "refunded")
    await cast.stock_changes(before)
    assert await cast.letters(ada, "cancelled", "refunded")


async def test_a_partial_refund_after_delivery_leaves_the_order_where_it_is(cast: Cast, shop: Shop) -> None:
    lamp, ada = await shop.lamp(on_hand=3), await cast.new_customer("Ada")
    order = (await ada.order((lamp["product_id"], 1))).expect(HTTPStatus.CREATED)
    payment = (await ada.pay(order["id"])).expect(HTTPStatus.CREATED)
    await ada.becomes(order["id"], "paid")
    parcel = {"carrier": "An Post", "tracking_number": "CX1"}
    (await cast.staff.call("POST", f"/orders/{order['id']}/ship", json=parcel)).expect(HTTPStatus.OK)

    part = {"amount": {"amount": "5.00", "currency": "EUR"}}
    (await cast.staff.call("POST", f"/payments/{payment['id']}/refund", json=part, key="part")).expect(201)
    more = {"amount": {"amount": "15.01", "currency": "EUR"}}
    refused = await cast.staff.call("POST", f"/payments/{payment['id']}/refund", json=more, key="more")

    assert (refused.status, refused.body["type"]) == (409, "refund-exceeds-payment")
    shown = await eventually(
        lambda: ada.api.get(f"/payments/{payment['id']}"),
        lambda told: told["status"] == "partially_refunded",
        what="the partial refund",
    )
    assert shown["refunded_amount"] == {"amount": "5.00", "currency": "EUR"}
    assert (await ada.see(order["id"]))["status"] == "shipped"


async def test_a_guests_cart_becomes_the_customers(cast: Cast, shop: Shop) -> None:
    lamp, ada = await shop.lamp(on_hand=5), await cast.new_customer("Ada")
    put = await cast.anyone.call("PUT", f"/cart/items/{lamp['product_id']}", json={"quantity": 2})
    put.expect(HTTPStatus.OK)
    token = put.headers["X-Cart-Token"]

    merged = await ada.api.call("GET", "/cart", headers={"X-Cart-Token": token})
    again = await ada.api.call("GET", "/cart", headers={"X-Cart-Token": token})

    for reply in (merged, again):
        assert [(item["product_id"], item["quantity"]) for item in reply.expect(200)["items"]] == [
            (lamp["product_id"], 2)
        ]


async def test_the_in_app_inbox_tells_what_the_mails_tell(cast: Cast, shop: Shop) -> None:
    lamp, ada = await shop.lamp(on_hand=5), await cast.new_customer("Ada")
    (await ada.order((lamp["product_id"], 1))).expect(HTTPStatus.CREATED)

    inbox = await eventually(
        lambda: ada.api.get("/notifications"),
        lambda told: len(told["items"]) >= 2,
        what="the welcome and the order being in the inbox",
    )
    note = inbox["items"][0]
    await ada.api.call("POST", f"/notifications/{note['id']}/read")

    assert not note["read"]
    assert (await ada.api.get("/notifications"))["items"][0]["read"]


async def test_an_access_token_can_be_renewed_once_per_refresh_token(cast: Cast) -> None:
    email = f"ada-{uuid4()}@example.com"
    (await cast.anyone.register(email, "correct horse battery", first_name="Ada", last_name="L")).expect(201)
    credentials = {"email": email, "password": "correct horse battery"}
    tokens = (await cast.anyone.call("POST", "/users/login", json=credentials)).expect(200)

    async def refresh(token: str) -> tuple[int, str]:
        reply = await cast.anyone.call("POST", "/users/token/refresh", json={"refresh_token": token})
        return reply.status, reply.body.get("refresh_token", "")

    status, second = await refresh(tokens["refresh_token"])
    assert status == 200
    assert (await refresh(tokens["refresh_token"]))[0] == 401
    assert (await refresh(second))[0] == 401
