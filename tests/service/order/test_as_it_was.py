"""The facts of an order are kept as they are, and tell what it was at any time."""

from datetime import datetime, timedelta
from typing import Any

import psycopg
import pytest
from httpx2 import Response

from tests.service.order.shop import HOME, WORK, Shop, payment_id_of, refund_of, succeeded


async def seen(shop: Shop, order: dict[str, Any], at: datetime | str, by: dict[str, str] | None = None) -> Response:
    moment = at if isinstance(at, str) else at.isoformat()
    return await shop.client.get(f"/orders/{order['id']}", params={"at": moment}, headers=by or shop.ada)


async def life(shop: Shop) -> list[dict[str, Any]]:
    """What an order was, minute by minute, from its placing on."""
    order = await shop.order()
    lives = [await shop.get(order["id"])]

    async def then(happens: Any) -> None:
        shop.clock.advance(minutes=1)
        await happens()
        lives.append(await shop.get(order["id"]))

    def money(event: Any) -> Any:
        return lambda: shop.client.deliver(event.model_copy(update={"at": shop.clock.now}))

    await then(money(succeeded(order)))
    await then(lambda: shop.client.put(f"/orders/{order['id']}", json={"shipping_address": WORK}, headers=shop.ada))
    await then(lambda: shop.ship(order))
    await then(money(refund_of(order, refunded="5.00")))
    await then(lambda: shop.deliver(order))
    await then(money(refund_of(order, version=4)))
    return lives


async def test_an_order_is_read_as_it_was_at_any_time(shop: Shop) -> None:
    began = shop.clock.now

    lives = await life(shop)

    for minute, was in enumerate(lives):
        for seconds in (0, 59):
            found = await seen(shop, was, began + timedelta(minutes=minute, seconds=seconds))
            assert found.json() == was | {"shipping_address": lives[-1]["shipping_address"]}
    assert [one["status"] for one in lives] == [
        "pending",
        "paid",
        "paid",
        "shipped",
        "shipped",
        "delivered",
        "refunded",
    ]
    assert (await seen(shop, lives[0], began + timedelta(days=900), by=shop.staff)).json() == lives[-1]


async def test_an_order_was_not_there_before_it_was_placed(shop: Shop) -> None:
    order = await shop.order()

    before = await seen(shop, order, shop.clock.now - timedelta(seconds=1))

    assert (before.status_code, before.json()["type"]) == (404, "order-not-found")


async def test_somebody_elses_order_was_never_there(shop: Shop) -> None:
    order = await shop.order()

    assert (await seen(shop, order, shop.clock.now, by=shop.bob)).status_code == 404


@pytest.mark.parametrize("at", ["noon", "2026-11-23T12:00:00"])
async def test_a_moment_has_its_zone(shop: Shop, at: str) -> None:
    order = await shop.order()

    assert (await seen(shop, order, at)).status_code == 422


async def test_an_erased_address_is_null_at_any_time(shop: Shop) -> None:
    order = await shop.order()
    await shop.client.rows("DELETE FROM shipping_address WHERE order_id = %s", order["id"])

    assert (await seen(shop, order, shop.clock.now)).json()["shipping_address"] is None


@pytest.mark.parametrize(
    "change", ["DELETE FROM outbox", "UPDATE outbox SET at = now()", "UPDATE outbox SET topic = 'users'"]
)
async def test_facts_can_neither_be_deleted_nor_changed(shop: Shop, change: str) -> None:
    await shop.order()

    with pytest.raises(psycopg.errors.RaiseException, match="kept for ever"):
        await shop.client.rows(change)

    await shop.client.rows("UPDATE outbox SET published_at = now()")
    assert len(await shop.client.facts()) == 1


async def test_the_facts_say_nothing_about_the_person(shop: Shop) -> None:
    address = HOME | {"name": "Zaphod", "line1": "Heartofgold", "city": "Betelgeuse", "postal_code": "XYZZY"}
    answer = await shop.place((shop.lamp, 2), shipping_address=address)
    order = answer.json()
    await shop.client.deliver(succeeded(order))
    await shop.client.put(
        f"/orders/{order['id']}", json={"shipping_address": address | {"line2": "Zarniwoop"}}, headers=shop.ada
    )
    await shop.ship(order)
    await shop.client.deliver(refund_of(order))

    told = str(await shop.client.facts())

    assert len(await shop.client.facts()) == 5
    assert str(payment_id_of(order)) in told
    assert not [word for word in ("Zaphod", "Heartofgold", "Betelgeuse", "XYZZY", "Zarniwoop") if word in told]
