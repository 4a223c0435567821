"""Replaying orders and opening stock changes nothing at inventory."""

from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings

from services.contracts.events import Event, OrderCancelled, OrderEvent, OrderPaid, OrderPlaced
from tests.service.inventory.conftest import Inventory
from tests.service.inventory.orders import opening, order_event
from tests.service.replays import Again, bring_again, everything, replays

EVENTS = 13
STORIES: list[list[tuple[type[OrderEvent], int]]] = [
    [(OrderPlaced, 1)],
    [(OrderPlaced, 1), (OrderPaid, 2)],
    [(OrderPlaced, 1), (OrderCancelled, 2)],
    [(OrderPlaced, 1), (OrderPaid, 2), (OrderCancelled, 3)],
    [(OrderCancelled, 3), (OrderPaid, 2), (OrderPlaced, 1)],
]


@dataclass
class Life:
    """What inventory was ever brought, and what became of it."""

    inventory: Inventory
    events: list[Event]
    before: dict[str, list[str]]


@pytest.fixture
async def life(inventory: Inventory) -> Life:
    lamp, rug = uuid4(), uuid4()
    told: list[Event] = [opening((lamp, 20), (rug, 5)), opening((lamp, 99))]
    for event in told:
        await inventory.deliver(event)
    for story in STORIES:
        order: UUID = uuid4()
        await inventory.reserve(order, {lamp: 2, rug: 1})
        events = [order_event(kind, order, version) for kind, version in story]
        assert [await inventory.deliver(event) for event in events] == ["SUCCESS"] * len(events)
        told += events
    await inventory.set_level(rug, on_hand=50)
    assert len(told) == EVENTS
    return Life(inventory, told, await everything(inventory.rows))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(again=replays(EVENTS))
async def test_everything_again_changes_nothing(life: Life, again: Again) -> None:
    answers = await bring_again(life.inventory.rows, life.inventory.deliver, life.events, again)

    assert set(answers) == {"SUCCESS"}
    assert await everything(life.inventory.rows) == life.before
