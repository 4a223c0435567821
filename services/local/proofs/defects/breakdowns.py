"""What customers do in a round while something around them breaks: a store, the broker, the provider's line."""

import asyncio
from datetime import timedelta

from services.contracts.events import Topic
from services.local.proofs.defects.edit import Edit
from services.local.proofs.defects.journeys import refunded
from services.local.proofs.defects.stage import Journey, Stage

_WEBHOOKS = "LOCK TABLE webhook_event IN SHARE MODE"
_CAPTURED = "SELECT 1 FROM payment WHERE order_id = %s AND captured_minor > 0"
_COMMITTED = "SELECT 1 FROM hold WHERE order_id = %s AND state = 'committed'"
_KNOWN = "SELECT 1 FROM hold WHERE order_id = %s AND confirmed"
_RELEASED = "SELECT 1 FROM hold WHERE order_id = %s AND state = 'released'"
_PARKED = "SELECT 1 FROM parked_letter WHERE letter->'data'->>'order_id' = %s"
_RETRIES = 25.0
"""Seconds within which a delivery that always fails has become a dead letter."""
_MISSED = 10.0
"""Seconds within which what got lost is missed, with the clocks of that journey."""


async def lose_the_answer(stage: Stage) -> None:
    """Pay, and the bank's answer is lost on its way."""
    shopper = await stage.shopper()
    order = await stage.order(shopper, (await stage.lamp(), 2))
    async with stage.fault("confirm", "drop_answer"):
        await stage.pay(shopper, order)
    await stage.sees("payment", _CAPTURED, order)


async def give_up_while_paying(stage: Stage) -> None:
    """Pay, and cancel before anybody knows what became of the payment: it succeeded."""
    shopper = await stage.shopper()
    order = await stage.order(shopper, (await stage.lamp(), 2))
    async with stage.locked("payment", _WEBHOOKS), stage.fault("confirm", "drop_answer"):
        await stage.pay(stage.hasty(shopper), order)
        await shopper.cancel("customer", order)
        await stage.sees("payment", _CAPTURED, order)
    await refunded(stage, order)


async def pay_again_without_news(stage: Stage) -> None:
    """Pay, lose the answer and the webhooks too, and pay again when the first try seems to have failed."""
    shopper = await stage.shopper()
    order = await stage.order(shopper, (await stage.lamp(), 2))
    async with stage.locked("payment", _WEBHOOKS):
        async with stage.fault("confirm", "drop_answer"):
            await stage.pay(shopper, order)
        await stage.pay(shopper, order)


async def lose_the_answer_to_a_refund(stage: Stage) -> None:
    """Get a part of the money back; the provider's answer is lost, and its webhooks are late."""
    _, order = await stage.paid_order()
    await stage.calm()
    async with (
        stage.locked("payment", _WEBHOOKS),
        stage.fault("refund", "drop_answer"),
    ):
        await stage.refund(order, 5)
        query = (
            "SELECT 1 FROM refund r JOIN payment p ON p.id = payment_id WHERE order_id = %s AND r.status <> 'pending'"
        )
        await stage.sees("payment", query, order)


async def write_slowly(stage: Stage) -> None:
    """Order while the order service can't write for so long that inventory asks about the hold."""
    shopper, lamp = await stage.shopper(), await stage.lamp()
    async with stage.locked("order", "LOCK TABLE orders IN SHARE MODE"):
        ordering = asyncio.create_task(stage.order(shopper, (lamp, 2)))
        query = "SELECT 1 FROM hold JOIN hold_line USING (order_id) WHERE product_id = %s AND state = 'released'"
        await stage.sees("inventory", query, lamp, within=4.5)
    if order := await ordering:
        await stage.pay(shopper, order)


async def never_write(stage: Stage) -> None:
    """Order while the order service can't write at all, and give up."""
    shopper, lamp = await stage.shopper(), await stage.lamp()
    async with stage.locked("order", "LOCK TABLE orders IN SHARE MODE"):
        await stage.order(stage.hasty(shopper), (lamp, 2))
    query = "SELECT 1 FROM hold JOIN hold_line USING (order_id) WHERE product_id = %s AND state = 'released'"
    await stage.sees("inventory", query, lamp)


async def lose_a_session(stage: Stage) -> None:
    """Buy; inventory's database session dies while it takes the units out of the stock."""
    shopper = await stage.shopper()
    order = await stage.order(shopper, (await stage.lamp(), 2))
    await stage.sees("inventory", _KNOWN, order)
    async with stage.locked("inventory", "SELECT 1 FROM hold WHERE order_id = %s FOR UPDATE", order):
        await stage.pay(shopper, order)
        await _end_the_waiting(stage, "inventory")
    await stage.sees("inventory", _COMMITTED, order)


async def lose_a_session_of_the_catalogue(stage: Stage) -> None:
    """Order; the product service's database session dies while it notes what is left."""
    shopper, lamp = await stage.shopper(), await stage.lamp()
    async with stage.locked("product", "SELECT 1 FROM availability WHERE product_id = %s FOR UPDATE", lamp):
        await stage.order(shopper, (lamp, 2))
        await _end_the_waiting(stage, "product")
    await stage.sees("product", "SELECT 1 FROM availability WHERE product_id = %s AND reserved = 2", lamp)


async def find_orders_unwritable(stage: Stage) -> None:
    """Buy while the order service may not write, for longer than the broker delivers again."""
    shopper = await stage.shopper()
    order = await stage.order(shopper, (await stage.lamp(), 2))
    await stage.sees("inventory", _KNOWN, order)
    await stage.rows("order", 'REVOKE UPDATE ON orders FROM "order"')
    try:
        await stage.pay(shopper, order)
        if await stage.sees("order", _PARKED, order, within=_RETRIES):
            await stage.sees("order", f"{_PARKED} AND attempts > 0", order, within=5)
        await stage.deliveries_end(Topic.PAYMENTS, "order", within=_RETRIES)
    finally:
        await stage.rows("order", 'GRANT UPDATE ON orders TO "order"')
    await stage.becomes(order, "paid")


async def fill_the_broker(stage: Stage) -> None:
    """Cancel while the broker has no room for another message."""
    shopper = await stage.shopper()
    order = await stage.order(shopper, (await stage.lamp(), 2))
    await stage.sees("inventory", _KNOWN, order)
    async with stage.full_broker():
        await shopper.cancel("customer", order)
        query = (
            "SELECT 1 FROM outbox WHERE aggregate_id = %s AND type = 'order.cancelled' AND at < now() - interval '3 s'"
        )
        await stage.sees("order", query, order)
    await stage.sees("inventory", _RELEASED, order)


async def fail_at_the_last_moment(stage: Stage) -> None:
    """Cancel; the database refuses the transaction at its commit, and the customer does not ask again."""
    shopper = await stage.shopper()
    order = await stage.order(shopper, (await stage.lamp(), 2))
    await stage.rows("order", _REFUSING_AT_COMMIT)
    try:
        await stage.hasty(shopper).cancel("customer", order)
    finally:
        await stage.rows("order", _REFUSING_NO_MORE)


async def lose_what_was_published(stage: Stage) -> None:
    """Cancel; the fact counts as published, but the broker has never seen it."""
    shopper = await stage.shopper()
    order = await stage.order(shopper, (await stage.lamp(), 2))
    await stage.sees("inventory", _KNOWN, order)
    await stage.rows("order", _LOSING)
    try:
        await shopper.cancel("customer", order)
    finally:
        await stage.rows("order", _LOSING_NO_MORE)
    await stage.sees("inventory", _RELEASED, order, within=_MISSED)


async def _end_the_waiting(stage: Stage, service: str) -> None:
    await stage.waiting(service)
    query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = %s AND wait_event_type = 'Lock'"
    await stage.rows(service, query, service)


_REFUSING_AT_COMMIT = """
CREATE FUNCTION refuse_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'disk full'; END $$;
CREATE CONSTRAINT TRIGGER refuses_commit AFTER UPDATE ON orders DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW EXECUTE FUNCTION refuse_commit()
"""
_REFUSING_NO_MORE = "DROP TRIGGER refuses_commit ON orders; DROP FUNCTION refuse_commit()"

_LOSING = """
CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.published_at := now(); RETURN NEW; END $$;
CREATE TRIGGER loses BEFORE INSERT ON outbox FOR EACH ROW WHEN (NEW.type = 'order.cancelled') EXECUTE FUNCTION lose()
"""
_LOSING_NO_MORE = "DROP TRIGGER loses ON outbox; DROP FUNCTION lose()"

_HANDLED_SOON = Edit(
    file="services/shared/facts.py",
    old="HANDLED_AFTER = timedelta(seconds=60)",
    new="HANDLED_AFTER = timedelta(seconds=1)",
    worn_by=("order",),
)
_MISSED_SOON = Edit(
    file="services/shared/settings.py",
    old="sidecart_catch_up_seconds: float = 30.0",
    new="sidecart_catch_up_seconds: float = 1.0",
    worn_by=("inventory",),
)
_ASKED_SOON = Edit(
    file="services/inventory/domain.py",
    old="ASKED_AFTER = timedelta(seconds=60)",
    new="ASKED_AFTER = timedelta(seconds=1)",
)

_LOOKED_AFTER_LATE = Edit(
    file="services/payment/store/leases.py",
    old="LOOK_AFTER = timedelta(seconds=0.5)",
    new="LOOK_AFTER = timedelta(seconds=10)",
)

LOSE_THE_ANSWER = Journey(act=lose_the_answer, later=timedelta(minutes=2))
GIVE_UP_WHILE_PAYING = Journey(act=give_up_while_paying, clocks=(_LOOKED_AFTER_LATE,))
PAY_AGAIN_WITHOUT_NEWS = Journey(act=pay_again_without_news)
LOSE_THE_ANSWER_TO_A_REFUND = Journey(act=lose_the_answer_to_a_refund)
WRITE_SLOWLY = Journey(act=write_slowly, clocks=(_ASKED_SOON,))
NEVER_WRITE = Journey(act=never_write, clocks=(_ASKED_SOON,))
LOSE_A_SESSION = Journey(act=lose_a_session)
LOSE_A_SESSION_OF_THE_CATALOGUE = Journey(act=lose_a_session_of_the_catalogue)
FIND_ORDERS_UNWRITABLE = Journey(act=find_orders_unwritable)
FILL_THE_BROKER = Journey(act=fill_the_broker)
FAIL_AT_THE_LAST_MOMENT = Journey(act=fail_at_the_last_moment)
LOSE_WHAT_WAS_PUBLISHED = Journey(act=lose_what_was_published, clocks=(_HANDLED_SOON, _MISSED_SOON))
