"""Orders that nobody paid in time: payment is asked first, so a captured order never expires."""

from typing import Any
from uuid import UUID

import pytest

from services.contracts.answers import CloseAsked, CloseOutcome
from services.contracts.money import Money
from services.order.operations.expiry import expire_one
from services.shared.sidecar import SidecarAway
from services.shared.sidecar_double import refused
from tests.service.order.shop import Shop, payment_id_of, succeeded


async def expire(shop: Shop) -> bool:
    return await expire_one(shop.client.runtime)


async def test_an_order_has_its_15_minutes(shop: Shop) -> None:
    await shop.order()
    shop.clock.advance(minutes=14, seconds=59)

    assert not await expire(shop)


async def test_an_unpaid_order_becomes_cancelled_as_expired(shop: Shop) -> None:
    order = await shop.order()
    shop.payment_answers(order, CloseOutcome.CLOSED)
    shop.clock.advance(minutes=15)

    assert await expire(shop)
    assert not await expire(shop)

    found = await shop.get(order["id"])
    last = found["history"][-1]
    assert (found["status"], last["reason"], last["actor"]) == ("cancelled", "expired", "service:order")
    assert [fact["type"] for fact in await shop.client.facts()] == ["order.placed", "order.cancelled"]
    asked = shop.sidecar.calls[-1].body
    expected = CloseAsked(user_id=UUID(order["user_id"]), amount=Money.parse("25.00", "EUR"), version=1)
    assert asked == expected
    assert not shop.sidecar.calls[-1].repeatable


async def test_an_order_whose_time_is_moved_back_expires(shop: Shop) -> None:
    order = await shop.order()
    shop.payment_answers(order, CloseOutcome.CLOSED)
    await shop.client.rows(
        "UPDATE orders SET expires_at = created_at - interval '1 minute', next_check_at = created_at"
    )

    await expire(shop)

    assert (await shop.get(order["id"]))["status"] == "cancelled"


async def test_an_order_that_was_paid_at_the_last_moment_is_paid(shop: Shop) -> None:
    order = await shop.order()
    shop.payment_answers(order, CloseOutcome.PAID, payment_id_of(order))
    shop.clock.advance(minutes=15)

    await expire(shop)
    late = await shop.client.deliver(succeeded(order))

    found = await shop.get(order["id"])
    assert (late, found["status"], found["payment_id"]) == ("SUCCESS", "paid", str(payment_id_of(order)))
    assert [fact["type"] for fact in await shop.client.facts()] == ["order.placed", "order.paid"]


async def test_a_payment_without_a_name_is_left_to_its_event(shop: Shop) -> None:
    order = await shop.order()
    shop.payment_answers(order, CloseOutcome.PAID)
    shop.clock.advance(minutes=15)

    await expire(shop)

    assert await shop.get(order["id"]) == order


async def test_an_order_with_an_open_attempt_is_asked_about_again_later(shop: Shop) -> None:
    order = await shop.order()
    shop.payment_answers(order, CloseOutcome.BUSY)
    shop.clock.advance(minutes=15)

    first, at_once = await expire(shop), await expire(shop)
    shop.payment_answers(order, CloseOutcome.CLOSED)
    shop.clock.advance(seconds=10)
    later = await expire(shop)

    assert (first, at_once, later) == (True, False, True)
    assert (await shop.get(order["id"]))["status"] == "cancelled"


@pytest.mark.parametrize("failure", [SidecarAway(), refused(403, "forbidden")])
async def test_an_order_that_payment_cannot_answer_about_does_not_block_the_others(
    shop: Shop, failure: Exception
) -> None:
    stuck, other = await shop.order(), await shop.order()
    shop.sidecar.reply("payment", "POST", f"/internal/payables/{stuck['id']}/close", failure)
    shop.payment_answers(other, CloseOutcome.CLOSED)
    shop.clock.advance(minutes=15)

    steps = [await expire(shop) for _ in range(3)]

    assert steps == [False, True, False]
    assert (await shop.get(stuck["id"]))["status"] == "pending"
    assert (await shop.get(other["id"]))["status"] == "cancelled"


async def test_an_order_that_payment_never_answers_about_keeps_no_other_from_expiring(shop: Shop) -> None:
    stuck = await shop.order()
    shop.clock.advance(seconds=1)
    other = await shop.order()
    shop.payment_answers(other, CloseOutcome.CLOSED)
    shop.clock.advance(minutes=15)

    await expire(shop)
    shop.clock.advance(seconds=15)
    await expire(shop)

    assert (await shop.get(stuck["id"]))["status"] == "pending"
    assert (await shop.get(other["id"]))["status"] == "cancelled"


async def test_an_order_is_asked_about_after_longer_and_longer_until_it_is_once_a_minute(shop: Shop) -> None:
    await shop.order()
    shop.clock.advance(minutes=15)
    waits = []

    for _ in range(6):
        await expire(shop)
        [row] = await shop.client.rows("SELECT next_check_at FROM orders")
        waits.append((row["next_check_at"] - shop.clock.now).total_seconds())
        shop.clock.now = row["next_check_at"]

    assert waits == [10, 10, 20, 40, 60, 60]


async def test_no_order_ends_before_its_time_whenever_it_is_looked_at(shop: Shop) -> None:
    order = await shop.order()
    shop.payment_answers(order, CloseOutcome.CLOSED)
    await shop.client.rows("UPDATE orders SET next_check_at = created_at")

    assert not await expire(shop)
    assert (await shop.get(order["id"]))["status"] == "pending"


@pytest.mark.parametrize(
    ("outcome", "told"),
    [(CloseOutcome.CLOSED, ["requested"]), (CloseOutcome.PAID, ["requested", "paid-after-cancellation"])],
)
async def test_an_order_that_is_cancelled_while_payment_is_asked_ends_once(
    shop: Shop, outcome: CloseOutcome, told: list[str]
) -> None:
    order = await shop.order()
    shop.payment_answers(order, outcome, payment_id_of(order))
    shop.clock.advance(minutes=15)
    ask = shop.sidecar.call

    async def cancelled_meanwhile(*asked: Any, **more: Any) -> Any:
        await shop.cancel(order)
        return await ask(*asked, **more)

    shop.sidecar.call = cancelled_meanwhile  # type: ignore[method-assign]
    steps = [await expire(shop), await expire(shop)]

    found = await shop.get(order["id"])
    assert (steps, found["status"]) == ([True, False], "cancelled")
    assert [entry["reason"] for entry in found["history"][1:]] == told


async def test_an_order_that_somebody_is_just_changing_is_left_alone(shop: Shop) -> None:
    order = await shop.order()
    shop.payment_answers(order, CloseOutcome.CLOSED)
    shop.clock.advance(minutes=15)
    holding = shop.client.runtime.database.engine.connect()

    async with holding as connection:
        await connection.exec_driver_sql("SELECT FROM orders FOR UPDATE")
        skipped = await expire(shop)
    await shop.cancel(order)

    assert (skipped, await expire(shop)) == (False, False)
    assert len(await shop.client.facts()) == 2
