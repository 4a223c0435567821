"""Journeys of an order: bought, given up, paid back, left unpaid."""

import asyncio
from http import HTTPStatus
from uuid import uuid4

from services.local.proofs.shop import AUTHENTICATION, DECLINED, VISA, Json, Outcome, Reach, Shop, Shopper, until

PARCEL = {"carrier": "An Post", "tracking_number": "CX1"}
PART = {"amount": {"amount": "5.00", "currency": "EUR"}}


async def ordered(shop: Shop, reach: Reach) -> tuple[str, Shopper, str]:
    """A lamp of which nine were there, somebody, and their order of one; tells the product's and the order's id."""
    lamp, ada = await shop.lamp(on_hand=9), await shop.customer()
    await reach("place")
    return lamp, ada, (await ada.order((lamp, 1)))["id"]


async def paid(shop: Shop, ada: Shopper, order: str, outcome: Outcome, method: str = VISA) -> Json:
    """Pay an order and wait until it knows; the answer is the payment."""
    payment = await shop.pay(ada, order, outcome, method)
    await ada.becomes(order, "paid")
    return payment


async def buy(shop: Shop, outcome: Outcome, reach: Reach) -> None:
    """From an empty catalogue to a delivered order of which a part is paid back."""
    await reach("create")
    lamp = await shop.lamp(on_hand=9)
    await reach("register")
    ada = await shop.customer()
    await reach("place")
    order = await ada.order((lamp, 2))
    await reach("pay")
    payment = await shop.pay(ada, order["id"], outcome)
    await ada.becomes(order["id"], "paid")
    await shop.stock_becomes(lamp, on_hand=7)
    await reach("ship")
    await shop.staff.ask("POST", f"/orders/{order['id']}/ship", HTTPStatus.OK, json=PARCEL)
    await reach("deliver")
    await shop.staff.ask("POST", f"/orders/{order['id']}/deliver", HTTPStatus.OK)
    await reach("refund")
    await refund(shop, ada, payment, PART, "partially_refunded")
    await shop.letters(ada, "welcome", "placed", "paid", "shipped", "delivered", "refunded")


async def buy_in_haste(shop: Shop, outcome: Outcome, reach: Reach) -> None:
    """An order is paid before anybody but the order service has heard of it."""
    lamp, ada, order = await ordered(shop, reach)
    await paid(shop, ada, order, outcome)
    await shop.stock_becomes(lamp, on_hand=8)


async def cancel(shop: Shop, outcome: Outcome, reach: Reach) -> None:
    """A paid order is given up: its money and its stock come back."""
    lamp, ada, order = await ordered(shop, reach)
    await reach("pay")
    await paid(shop, ada, order, outcome)
    await reach("cancel")
    await ada.cancel(order)
    await ada.becomes(order, "refunded")
    await shop.stock_becomes(lamp, on_hand=9)


async def regret(shop: Shop, outcome: Outcome, reach: Reach) -> None:
    """An order is given up while it is being paid: whoever comes first, no money and no stock is kept."""
    lamp, ada, order = await ordered(shop, reach)
    await reach("pay and cancel")
    await shop.prepare(outcome)
    answers = (HTTPStatus.CREATED, HTTPStatus.ACCEPTED, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.CONFLICT)
    card = DECLINED if outcome is Outcome.DECLINED else VISA
    answer, _ = await asyncio.gather(ada.try_to_pay(order, card, *answers), ada.cancel(order))
    await ada.becomes(order, *(("refunded",) if answer.status == HTTPStatus.CREATED else ("cancelled", "refunded")))
    await shop.stock_becomes(lamp, on_hand=9)


async def give_back(shop: Shop, outcome: Outcome, reach: Reach) -> None:
    """Staff pay a whole order back before it ships, which cancels it."""
    lamp, ada, order = await ordered(shop, reach)
    payment = await paid(shop, ada, order, outcome)
    await reach("refund")
    await refund(shop, ada, payment, {}, "refunded")
    await ada.becomes(order, "refunded")
    await shop.stock_becomes(lamp, on_hand=9)


async def refund_late(shop: Shop, outcome: Outcome, reach: Reach) -> None:
    """A refund that waits at the bank, and in the end arrives."""
    _, ada, order = await ordered(shop, reach)
    payment = await paid(shop, ada, order, outcome, "pm_card_pendingRefund")
    await reach("refund")
    await refund(shop, ada, payment, PART, "partially_refunded")


async def refund_fails(shop: Shop, outcome: Outcome, reach: Reach) -> None:
    """A refund that the bank sends back: what was paid counts as paid again."""
    _, ada, order = await ordered(shop, reach)
    payment = await paid(shop, ada, order, outcome, "pm_card_refundFail")
    await reach("refund")
    key, path = str(uuid4()), f"/payments/{payment['id']}"
    await shop.staff.ask("POST", f"{path}/refund", HTTPStatus.CREATED, json=PART, key=key)
    await until(
        lambda: ada.see(path),
        lambda told: [one["status"] for one in told["refunds"]] == ["failed"] and told["status"] == "succeeded",
        "the refund having failed",
    )


async def authenticate(shop: Shop, outcome: Outcome, reach: Reach) -> None:
    """A card that asks for its owner; with `declined` the first authentication fails."""
    lamp, ada, order = await ordered(shop, reach)
    await reach("pay")
    await shop.prepare(outcome)
    for verdict, status in (("fail", "failed"), ("pass", "succeeded"))[outcome is not Outcome.DECLINED :]:
        payment = (await ada.try_to_pay(order, AUTHENTICATION, HTTPStatus.ACCEPTED)).body["id"]
        told = await ada.payment_becomes(payment, "requires_action")
        await reach(f"authentication: {verdict}")
        await shop.provider("POST", told["next_action"]["url"].partition("/_stand-in")[2] + f"/{verdict}")
        await ada.payment_becomes(payment, status)
    await ada.becomes(order, "paid")
    await shop.stock_becomes(lamp, on_hand=8)


async def expire(shop: Shop, outcome: Outcome, reach: Reach) -> None:
    """The time to pay ends: while the customer is asked who they are, after a decline, or with money on its way."""
    lamp, ada, order = await ordered(shop, reach)
    await shop.prepare(outcome)
    answers = (HTTPStatus.CREATED, HTTPStatus.ACCEPTED, HTTPStatus.CONFLICT)
    if outcome is Outcome.DECLINED:
        await ada.try_to_pay(order, DECLINED, HTTPStatus.PAYMENT_REQUIRED)
    if outcome is Outcome.SUCCEEDS:
        await ada.try_to_pay(order, AUTHENTICATION, HTTPStatus.ACCEPTED)
    await reach("expire")
    paying = asyncio.ensure_future(ada.try_to_pay(order, VISA, *answers)) if outcome is Outcome.TIMES_OUT else None
    await asyncio.to_thread(shop.clocks.expire, order)
    if paying is not None:
        await paying
    ended = ("cancelled", "paid", "refunded") if paying is not None else ("cancelled",)
    last = await ada.becomes(order, *ended)
    await shop.stock_becomes(lamp, on_hand=8 if last["status"] == "paid" else 9)
    if paying is None:
        await ada.try_to_pay(order, VISA, HTTPStatus.CONFLICT)


async def refund(shop: Shop, ada: Shopper, payment: Json, how_much: Json, status: str) -> None:
    """Staff pay something back; waits until the payment is in a status."""
    path = f"/payments/{payment['id']}/refund"
    await shop.staff.ask("POST", path, HTTPStatus.CREATED, json=how_much, key=str(uuid4()))
    await ada.payment_becomes(payment["id"], status)
