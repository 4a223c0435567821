"""What customers do in a round, with nothing but themselves going wrong: twice, too late, or in a crowd."""

import asyncio
from datetime import timedelta

from services.local.chaos.shoppers import Shopper
from services.local.proofs.defects.edit import Edit
from services.local.proofs.defects.stage import DECLINED, Journey, Stage

_CROWD, _LAMPS = 8, 3


async def buy(stage: Stage) -> None:
    """Order and pay."""
    await stage.paid_order()


async def cancel_unpaid(stage: Stage) -> None:
    """Order and think better of it."""
    shopper = await stage.shopper()
    order = await stage.order(shopper, (await stage.lamp(), 2))
    await shopper.cancel("customer", order)


async def cancel_paid(stage: Stage) -> None:
    """Pay, and think better of it."""
    shopper, order = await stage.paid_order()
    await stage.sees("inventory", "SELECT 1 FROM hold WHERE order_id = %s AND state = 'committed'", order)
    await shopper.cancel("customer", order)
    await refunded(stage, order)


async def be_declined(stage: Stage) -> None:
    """Pay with a card that the bank declines."""
    shopper = await stage.shopper()
    order = await stage.order(shopper, (await stage.lamp(), 2))
    await stage.pay(shopper, order, DECLINED)


async def complain(stage: Stage) -> None:
    """Get a part of the money back."""
    _, order = await stage.paid_order()
    await stage.refund(order, 5)


async def click_twice(stage: Stage) -> None:
    """Send the same request to order twice at the same time."""
    shopper = await stage.shopper()
    await stage.order(shopper, (await stage.lamp(), 2), copies=2)


async def order_the_same_again(stage: Stage) -> None:
    """Order the same lamps a second time, and mean it: with another key."""
    shopper, lamp = await stage.shopper(), await stage.lamp()
    for _ in range(2):
        await stage.order(shopper, (lamp, 1))


async def change_the_order_under_its_key(stage: Stage) -> None:
    """Send another order under the key of the first: a shop that takes it has lost one of the two."""
    shopper, lamp = await stage.shopper(), await stage.lamp()
    for quantity in (1, 3):
        await stage.order(shopper, (lamp, quantity), key=f"basket-{shopper.user_id}")


async def want_more_than_there_is(stage: Stage) -> None:
    """Order two products, of one of which there is too little."""
    shopper = await stage.shopper()
    plenty, few = await stage.lamp(9), await stage.lamp(1)
    order = await stage.order(shopper, (plenty, 2), (few, 2))
    if order:
        await stage.pay(shopper, order)


async def rush(stage: Stage) -> None:
    """A crowd wants the last lamps at the very same moment."""
    shopper, lamp = await stage.shopper(), await stage.lamp(_LAMPS)
    async with stage.locked("inventory", "SELECT 1 FROM stock_level WHERE product_id = %s FOR UPDATE", lamp):
        crowd = [asyncio.create_task(stage.order(shopper, (lamp, 1))) for _ in range(_CROWD)]
        await stage.waiting("inventory", _CROWD)
    await asyncio.gather(*crowd)


async def never_come_back(stage: Stage) -> None:
    """Order and leave; the order expires."""
    order = await _unpaid(stage)
    await stage.becomes(order, "cancelled")


async def hear_everything_twice(stage: Stage) -> None:
    """Buy, complain, and have every fact of it delivered once more."""
    _, order = await stage.paid_order()
    await stage.refund(order, 5)
    await stage.calm()
    await stage.tell_again()


async def hear_old_news(stage: Stage) -> None:
    """Buy and cancel, and have everything told again when the inboxes have long forgotten it."""
    await cancel_paid(stage)
    await stage.calm()
    await stage.tell_again(forgetting=True)


async def _unpaid(stage: Stage) -> str:
    shopper: Shopper = await stage.shopper()
    return await stage.order(shopper, (await stage.lamp(), 2))


async def refunded(stage: Stage, order: str) -> None:
    """Wait until money of an order has gone back; a defect may keep it from that."""
    query = """
        SELECT 1 FROM refund JOIN payment ON payment.id = payment_id WHERE order_id = %s AND refund.status = 'succeeded'
    """
    await stage.sees("payment", query, order)


_SOON = Edit(
    file="services/order/domain/order.py",
    old="PAYABLE_FOR = timedelta(minutes=15)",
    new="PAYABLE_FOR = timedelta(seconds=2)",
)

BUY = Journey(act=buy)
CANCEL_UNPAID = Journey(act=cancel_unpaid)
CANCEL_PAID = Journey(act=cancel_paid)
BE_DECLINED = Journey(act=be_declined)
COMPLAIN = Journey(act=complain)
CLICK_TWICE = Journey(act=click_twice)
ORDER_THE_SAME_AGAIN = Journey(act=order_the_same_again)
CHANGE_THE_ORDER_UNDER_ITS_KEY = Journey(act=change_the_order_under_its_key)
WANT_MORE_THAN_THERE_IS = Journey(act=want_more_than_there_is)
RUSH = Journey(act=rush)
NEVER_COME_BACK = Journey(act=never_come_back, clocks=(_SOON,), later=timedelta(minutes=3))
HEAR_EVERYTHING_TWICE = Journey(act=hear_everything_twice)
HEAR_OLD_NEWS = Journey(act=hear_old_news)
