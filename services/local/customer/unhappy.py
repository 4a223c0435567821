"""The parts of the journey that nobody hopes for, and that must go well too."""

from http import HTTPStatus

from services.local.customer.actors import Cast, Customer, Json
from services.local.customer.narration import Narrator, check, eventually, money, short


async def play(narrator: Narrator, cast: Cast, product_id: str) -> None:
    """A declined card, more than there is, somebody else's order, and two cancellations."""
    narrator.chapter("And when it does not go so well")
    ben = await cast.new_customer("Ben")
    before = await cast.stock(product_id)
    order = await _declined(narrator, ben, product_id)
    await _somebody_else(narrator, cast, order["id"])
    await _cancel_pending(narrator, cast, ben, order["id"], before)
    await _too_many(narrator, cast, ben, before)
    await _cancel_paid(narrator, cast, ben, before)


async def _declined(narrator: Narrator, ben: Customer, product_id: str) -> Json:
    with narrator.step("Ben's card is declined, his order stays pending") as step:
        order: Json = (await ben.order((product_id, 1))).expect(HTTPStatus.CREATED)
        refused = (await ben.pay(order["id"], "pm_card_chargeDeclined")).expect(HTTPStatus.PAYMENT_REQUIRED)
        check((await ben.see(order["id"]))["status"] == "pending", "the order is not pending any more")
        step.remark(f"order {short(order['id'])}: {refused['type']}, {refused['decline_code']}")
    return order


async def _somebody_else(narrator: Narrator, cast: Cast, order_id: str) -> None:
    with narrator.step("for another customer that order does not exist") as step:
        eve = await cast.new_customer("Eve")
        reply = await eve.api.call("GET", f"/orders/{order_id}")
        reply.expect(HTTPStatus.NOT_FOUND)
        step.remark(f"404, {reply.problem}")


async def _cancel_pending(narrator: Narrator, cast: Cast, ben: Customer, order_id: str, before: Json) -> None:
    with narrator.step("he cancels it, and the stock is free again") as step:
        order = await ben.cancel(order_id)
        check(order["status"] == "cancelled", f"the order is {order['status']}")
        step.remark(await cast.stock_changes(before))


async def _too_many(narrator: Narrator, cast: Cast, ben: Customer, before: Json) -> None:
    with narrator.step("an order for more than there is reserves nothing") as step:
        reply = await ben.order((before["product_id"], before["available"] + 1))
        refused = reply.expect(HTTPStatus.CONFLICT)
        check(refused["type"] == "insufficient-stock", f"it was refused as {refused['type']}")
        step.remark(f"409, {reply.problem}")
        step.remark(await cast.stock_changes(before))


async def _cancel_paid(narrator: Narrator, cast: Cast, ben: Customer, before: Json) -> None:
    with narrator.step("he orders again and pays"):
        order = (await ben.order((before["product_id"], 1))).expect(HTTPStatus.CREATED)
        payment = (await ben.pay(order["id"])).expect(HTTPStatus.CREATED)
        await ben.becomes(order["id"], "paid")
        await cast.stock_changes(before, on_hand=-1)
    with narrator.step("he cancels the paid order: the money and the stock come back") as step:
        await ben.cancel(order["id"])
        refunded = await eventually(
            lambda: ben.api.get(f"/payments/{payment['id']}"),
            lambda told: told["status"] == "refunded",
            what="the refund",
        )
        check(refunded["refunded_amount"] == payment["amount"], "not all of it was refunded")
        step.remark(f"{money(refunded['refunded_amount'])} refunded")
        step.remark(await cast.stock_changes(before))
