"""Replaying orders moves no money a second time, and changes nothing else either."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings

from services.contracts.events import OrderCancelled, OrderDelivered, OrderEvent, OrderPaid, OrderPlaced, OrderShipped
from services.payment.clients.provider_double import ProviderDouble
from tests.service.payment.banks import DoubleBank
from tests.service.payment.shop import Order, Shop
from tests.service.replays import Again, bring_again, everything, replays

EVENTS = 13
Told = tuple[Order, type[OrderEvent], int]


@dataclass
class Life:
    """The orders that payment was ever told of, and what became of their money."""

    shop: Shop
    provider: ProviderDouble
    events: list[Told]
    before: dict[str, list[str]]

    async def bring(self, told: Told) -> str:
        order, kind, version = told
        return await self.shop.tell(order, kind, version)


async def _paid(shop: Shop, key: str) -> tuple[Order, str]:
    order = await shop.order()
    answer = await shop.pay(order, key=key)
    assert answer.status_code == 201, answer.text
    return order, answer.json()["id"]


async def _delivered_and_partly_refunded(shop: Shop) -> list[Told]:
    order, payment = await _paid(shop, "delivered")
    story: list[Told] = [(order, OrderPlaced, 1), (order, OrderPaid, 2)]
    story += [(order, OrderShipped, 3), (order, OrderDelivered, 4)]
    for told in story:
        await shop.tell(*told)
    assert (await shop.refund(payment, "5.00")).status_code == 201
    return story


async def _cancelled_after_it_was_paid(shop: Shop) -> list[Told]:
    order, _ = await _paid(shop, "cancelled")
    story: list[Told] = [(order, OrderPlaced, 1), (order, OrderPaid, 2), (order, OrderCancelled, 3)]
    for told in story:
        await shop.tell(*told)
    return story


async def _cancelled_after_a_decline(shop: Shop) -> list[Told]:
    order = await shop.order()
    assert (await shop.pay(order, "pm_card_chargeDeclined", key="declined")).status_code == 402
    await shop.tell(order, OrderCancelled, 2)
    return [(order, OrderPlaced, 1), (order, OrderCancelled, 2)]


async def _cancelled_while_the_customer_was_to_authenticate(shop: Shop) -> list[Told]:
    order = await shop.order()
    assert (await shop.pay(order, "pm_card_authenticationRequired", key="waiting")).status_code == 202
    await shop.tell(order, OrderCancelled, 2)
    return [(order, OrderPlaced, 1), (order, OrderCancelled, 2)]


async def _cancelled_before_anybody_paid(shop: Shop) -> list[Told]:
    order = await shop.order()
    await shop.tell(order, OrderCancelled, 2)
    return [(order, OrderPlaced, 1), (order, OrderCancelled, 2)]


STORIES: list[Callable[[Shop], Awaitable[list[Told]]]] = [
    _delivered_and_partly_refunded,
    _cancelled_after_it_was_paid,
    _cancelled_after_a_decline,
    _cancelled_while_the_customer_was_to_authenticate,
    _cancelled_before_anybody_paid,
]


@pytest.fixture
async def life(shop: Shop, double: DoubleBank) -> Life:
    told: list[Told] = []
    for story in STORIES:
        told += await story(shop)
    await shop.work(seconds=30)
    assert len(told) == EVENTS
    return Life(shop, double.provider, told, await everything(shop.client.rows))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(again=replays(EVENTS))
async def test_everything_again_changes_nothing(life: Life, again: Again) -> None:
    calls = list(life.provider.calls)
    answers = await bring_again(life.shop.client.rows, life.bring, life.events, again)
    at_once = await everything(life.shop.client.rows)
    await life.shop.work(seconds=30)

    assert set(answers) == {"SUCCESS"}
    assert at_once == await everything(life.shop.client.rows) == life.before
    assert life.provider.calls == calls
