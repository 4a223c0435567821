"""The timeline: what happened to an order, from every service."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.contracts.events import (
    Event,
    HeldLine,
    NotificationSent,
    OrderPlaced,
    PaymentActionRequired,
    PaymentDeclined,
    PaymentDisputeClosed,
    PaymentDisputed,
    PaymentRefundFailed,
    StockCommitted,
    StockHeld,
    StockReleased,
    StockReturned,
    StockSet,
    event_types,
)
from tests.service.order.shop import Shop, refund_of, succeeded


async def timeline(shop: Shop, order: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await shop.client.get(f"/orders/{order['id']}/timeline", headers=shop.ada)
    assert answer.status_code == 200
    return list(answer.json()["items"])


async def tell(shop: Shop, order: dict[str, Any], kind: type[Event], **values: Any) -> None:
    whole = {"order_id": order["id"], "user_id": order["user_id"], "version": 1, "at": shop.clock.now} | values
    assert await shop.client.deliver(kind(**whole)) == "SUCCESS"


async def test_a_timeline_tells_the_whole_story_in_the_order_of_time(shop: Shop) -> None:
    order = await shop.order()
    for step in (shop.pay, shop.ship, shop.deliver):
        shop.clock.advance(seconds=1)
        await step(order)

    for fact in reversed(await shop.client.facts()):
        event = event_types()[fact["type"]].model_validate(fact["data"])
        await shop.client.deliver(event)
        await shop.client.deliver(event)

    told = await timeline(shop, order)
    assert sorted((item["source"], item["summary"]) for item in told) == [
        ("order", "Delivered"),
        ("order", "Order of 25.00 EUR paid"),
        ("order", "Order of 25.00 EUR placed"),
        ("order", "Shipped with DHL, tracking number 00340"),
        ("payment", "Payment of 25.00 EUR succeeded"),
    ]
    times = [datetime.fromisoformat(item["at"]) for item in told]
    assert times == sorted(times)
    assert (told[0]["type"], told[-1]["type"]) == ("order.placed", "order.delivered")


@pytest.mark.parametrize(
    ("kind", "units", "summary"),
    [
        (StockHeld, [2, 1], "3 units reserved"),
        (StockCommitted, [1], "1 unit taken from stock"),
        (StockReleased, [2], "2 units released"),
        (StockReturned, [2], "2 units returned to stock"),
    ],
)
async def test_holds_are_told_in_units(shop: Shop, kind: type[Event], units: list[int], summary: str) -> None:
    order = await shop.order()

    await tell(shop, order, kind, lines=tuple(HeldLine(product_id=uuid4(), quantity=one) for one in units), levels=())

    [item] = await timeline(shop, order)
    assert (item["source"], item["type"], item["summary"]) == ("inventory", kind.TYPE, summary)


async def test_declines_refunds_and_disputes_are_told(shop: Shop) -> None:
    order = await shop.order_in("cancelled")
    payment = succeeded(order).model_dump() | {"at": shop.clock.now + timedelta(hours=1)}
    refund = refund_of(order).model_dump() | {"at": shop.clock.now + timedelta(hours=2)}

    await tell(shop, order, PaymentDeclined, **payment | {"attempt": 1, "decline_code": "card_declined", "version": 4})
    await tell(shop, order, PaymentActionRequired, **payment | {"attempt": 2, "version": 5})
    await tell(shop, order, PaymentRefundFailed, **refund | {"version": 6})
    await shop.client.deliver(refund_of(order))
    dispute = payment | {"dispute_id": "du_1", "dispute_amount": refund["refund_amount"]}
    await tell(shop, order, PaymentDisputed, **dispute | {"reason": "fraudulent", "version": 7})
    await tell(shop, order, PaymentDisputeClosed, **dispute | {"outcome": "won", "version": 8})

    assert {item["summary"] for item in await timeline(shop, order)} == {
        "Payment of 25.00 EUR declined (card_declined)",
        "Payment of 25.00 EUR waits for the customer to authenticate",
        "Refund of 25.00 EUR failed",
        "Refund of 25.00 EUR succeeded",
        "Payment of 25.00 EUR disputed (fraudulent)",
        "Dispute of 25.00 EUR won",
    }


async def test_cancelling_readdressing_and_refunding_are_told_with_their_reason(shop: Shop) -> None:
    order = await shop.order()
    event = OrderPlaced.model_validate((await shop.client.facts())[0]["data"])
    known = event.model_dump() | {"reason": "expired"}
    types = event_types()

    for name in ("order.cancelled", "order.readdressed", "order.refunded"):
        await shop.client.deliver(types[name].model_validate(known))

    assert {item["summary"] for item in await timeline(shop, order)} == {
        "Order cancelled (expired)",
        "Shipping address changed",
        "Order of 25.00 EUR refunded",
    }


async def test_messages_about_an_order_are_told_and_others_are_not(shop: Shop) -> None:
    order = await shop.order()
    message = {"channel": "email", "template": "order-placed"}

    await tell(shop, order, NotificationSent, notification_id=uuid4(), **message)
    await tell(shop, order, NotificationSent, notification_id=uuid4(), **message | {"order_id": None})

    [item] = await timeline(shop, order)
    assert (item["source"], item["summary"]) == ("notification", "Message order-placed sent by email")


async def test_a_level_that_was_set_concerns_no_order(shop: Shop) -> None:
    product_id = uuid4()
    event = StockSet(product_id=product_id, levels=(), change=1, reason="count", version=1, at=shop.clock.now)

    assert await shop.client.deliver(event) == "SUCCESS"
    assert await shop.client.rows("SELECT id FROM document WHERE key = %s", str(UUID(str(product_id)))) == []


async def test_an_order_without_news_has_an_empty_timeline_for_staff_too(shop: Shop) -> None:
    order = await shop.order()

    answer = await shop.client.get(f"/orders/{order['id']}/timeline", headers=shop.staff)

    assert answer.json() == {"items": []}
