"""Replaying payments, stock, notifications and its own facts changes nothing at the order service."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings

from services.contracts.answers import CloseOutcome
from services.contracts.events import (
    Event,
    HeldLine,
    NotificationSent,
    PaymentDisputed,
    PaymentRefundFailed,
    StockHeld,
    event_types,
)
from services.contracts.money import Money
from services.order.operations.expiry import expire_one
from tests.service.order.shop import Shop, payment_id_of, refund_of, succeeded
from tests.service.replays import Again, bring_again, everything, replays

EVENTS = 32


@dataclass
class Life:
    """A shop's past: every event that the order service was ever brought."""

    shop: Shop
    events: list[Event]
    before: dict[str, list[str]]


async def _shipped_and_refunded_twice(shop: Shop) -> list[Event]:
    order = await shop.order_in("shipped")
    part = refund_of(order, refunded="5.00")
    failed = PaymentRefundFailed.model_validate(part.model_dump() | {"version": 4, "status": "succeeded"})
    whole = refund_of(order, version=5)
    dispute = {"dispute_id": "dp_1", "dispute_amount": Money.of(2500, "EUR"), "reason": "fraudulent"}
    disputed = PaymentDisputed.model_validate(part.model_dump() | dispute | {"version": 6})
    return [succeeded(order), part, failed, whole, disputed]


async def _cancelled_when_paid(shop: Shop) -> list[Event]:
    order = await shop.order_in("paid")
    await shop.cancel(order)
    return [succeeded(order), refund_of(order)]


async def _found_paid_when_it_was_to_expire_and_cancelled_then(shop: Shop) -> list[Event]:
    order = await shop.order()
    shop.payment_answers(order, CloseOutcome.PAID, payment_id_of(order))
    shop.clock.advance(minutes=16)
    await expire_one(shop.client.runtime)
    await shop.cancel(order)
    return [succeeded(order)]


async def _paid_too_late(shop: Shop) -> list[Event]:
    order = await shop.order_in("cancelled")
    return [succeeded(order), refund_of(order, refunded="2.00"), refund_of(order, version=4)]


async def _told_by_others(order_id: UUID, shop: Shop) -> list[Event]:
    held = StockHeld(
        version=1,
        at=shop.clock.now,
        order_id=order_id,
        lines=(HeldLine(product_id=shop.lamp, quantity=2),),
        levels=(),
    )
    sent = NotificationSent(
        version=1,
        at=shop.clock.now,
        notification_id=uuid4(),
        user_id=shop.ada_id,
        order_id=order_id,
        channel="email",
        template="order-placed",
    )
    return [held, sent]


@pytest.fixture
async def life(shop: Shop) -> Life:
    told: list[Event] = []
    for story in (
        _shipped_and_refunded_twice,
        _cancelled_when_paid,
        _found_paid_when_it_was_to_expire_and_cancelled_then,
        _paid_too_late,
    ):
        events = await story(shop)
        for event in events:
            assert await shop.client.deliver(event) == "SUCCESS"
        told += events
    told += await _told_by_others(shop_order(told), shop)
    own = [event_types()[fact["type"]].model_validate(fact["data"]) for fact in await shop.client.facts()]
    for event in (*told[-2:], *own):
        assert await shop.client.deliver(event) == "SUCCESS"
    assert len(told) + len(own) == EVENTS
    return Life(shop=shop, events=[*told, *own], before=await everything(shop.client.rows))


def shop_order(events: list[Any]) -> UUID:
    found: UUID = events[0].order_id
    return found


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(again=replays(EVENTS))
async def test_everything_again_changes_nothing(life: Life, again: Again) -> None:
    answers = await bring_again(life.shop.client.rows, life.shop.client.deliver, life.events, again)

    assert set(answers) == {"SUCCESS"}
    assert await everything(life.shop.client.rows) == life.before
