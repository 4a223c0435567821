"""Orders that were paid and of which nothing more is heard are asked for."""

import pytest

from services.contracts.events import OrderCancelled, OrderPaid, OrderShipped
from services.shared.sidecar import SidecarAway
from services.shared.sidecar_double import refused
from tests.service.payment.shop import Order, Shop


def asked(shop: Shop) -> int:
    return len(shop.sidecar.calls)


async def followed(shop: Shop) -> tuple[Order, str]:
    """An order that was paid and knows it."""
    order, payment_id = await shop.paid()
    await shop.tell(order, OrderPaid, 2)
    return order, payment_id


async def test_the_money_of_a_cancelled_order_goes_back_though_nobody_told_of_it(shop: Shop) -> None:
    order, payment_id = await followed(shop)
    shop.knows(order, "cancelled", version=3)

    await shop.work(minutes=59)
    before = await shop.read(payment_id)
    await shop.work(minutes=2)
    await shop.tell(order, OrderCancelled, 3)
    await shop.work(days=30)

    account = await shop.read(payment_id)
    assert (before["status"], account["status"], len(account["refunds"])) == ("succeeded", "refunded", 1)
    assert asked(shop) == 1
    assert await shop.ledger() == {}


async def test_an_order_that_is_still_to_be_shipped_is_asked_for_again_after_growing_pauses(shop: Shop) -> None:
    order, payment_id = await followed(shop)
    shop.knows(order, "paid", version=2)

    counts = []
    for hours in (1, 1, 1, 2, 4, 2):
        await shop.work(hours=hours, seconds=1)
        counts.append(asked(shop))

    assert counts == [1, 2, 2, 3, 3, 4]
    assert (await shop.read(payment_id))["status"] == "succeeded"


async def test_an_order_that_turns_out_to_be_shipped_is_not_asked_for_again(shop: Shop) -> None:
    order, payment_id = await followed(shop)
    shop.knows(order, "shipped", version=3)

    await shop.work(hours=1)
    await shop.work(days=30)

    assert (asked(shop), (await shop.read(payment_id))["status"]) == (1, "succeeded")


@pytest.mark.parametrize("told", [OrderShipped, OrderCancelled])
async def test_an_order_that_has_told_of_its_end_is_never_asked_for(
    shop: Shop, told: type[OrderShipped | OrderCancelled]
) -> None:
    order, _ = await followed(shop)
    await shop.tell(order, told, 3)

    await shop.work(days=30)

    assert asked(shop) == 0


@pytest.mark.parametrize("answer", [SidecarAway(), refused(404, "order-not-found")], ids=["away", "unknown"])
async def test_an_order_that_nobody_tells_of_is_asked_for_again(shop: Shop, answer: Exception) -> None:
    order, payment_id = await followed(shop)
    shop.sidecar.reply("order", "GET", f"/internal/payables/{order.id}", answer)
    await shop.work(hours=1)
    shop.knows(order, "cancelled", version=3)

    await shop.work(hours=2)

    assert (await shop.read(payment_id))["status"] == "refunded"


async def test_an_order_that_was_not_paid_is_not_asked_for(shop: Shop) -> None:
    await shop.pay(await shop.order(), "pm_card_chargeDeclined")

    await shop.work(days=30)

    assert asked(shop) == 0
