"""A hold that nothing was heard of for too long follows its order, which is asked."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs

from services.contracts.answers import PayableOrder
from services.contracts.events import OrderCancelled, OrderPaid, OrderPlaced
from services.contracts.money import Money
from services.inventory.operations.following import follow_one
from services.shared.sidecar_double import SidecarDouble
from tests.service.doors import Clock
from tests.service.inventory.conftest import BUYER, Inventory
from tests.service.inventory.orders import AT, order_event


@dataclass
class Lost:
    """An order that was placed, and never heard of again."""

    order_id: UUID
    lamp: UUID
    sidecar: SidecarDouble

    def answers(self, status: str, *, has_left: bool = False) -> None:
        """Let the order service tell where it stands."""
        told = PayableOrder(
            order_id=self.order_id,
            user_id=BUYER,
            status=status,
            amount=Money.of(100, "EUR"),
            version=4,
            expires_at=AT,
            has_left=has_left,
        )
        self.sidecar.reply("order", "GET", f"/internal/payables/{self.order_id}", lambda _: told)


@pytest.fixture
async def lost(inventory: Inventory, clock: Clock, sidecar: SidecarDouble) -> Lost:
    (lamp,), order_id = await inventory.stocked(5), uuid4()
    clock.now = AT
    await inventory.reserve(order_id, {lamp: 2})
    await inventory.deliver(order_event(OrderPlaced, order_id, 1))
    return Lost(order_id, lamp, sidecar)


async def follow(inventory: Inventory) -> bool:
    runtime = inventory.runtime
    return await follow_one(runtime.database, runtime.sidecar, now=runtime.clock())


@pytest.mark.parametrize(
    ("order_is", "hold_is", "level"),
    [
        ({"status": "paid"}, "committed", (3, 0)),
        ({"status": "shipped", "has_left": True}, "committed", (3, 0)),
        ({"status": "refunded", "has_left": True}, "committed", (3, 0)),
        ({"status": "cancelled"}, "released", (5, 0)),
        ({"status": "refunded"}, "released", (5, 0)),
        ({"status": "pending"}, "held", (5, 2)),
    ],
)
async def test_a_hold_does_what_its_order_did(
    inventory: Inventory,
    lost: Lost,
    clock: Clock,
    order_is: dict[str, Any],
    hold_is: str,
    level: tuple[int, int],
) -> None:
    lost.answers(**order_is)
    clock.advance(minutes=20)

    assert [await follow(inventory), await follow(inventory)] == [True, False]

    (hold,) = await inventory.rows("SELECT state FROM hold WHERE order_id = %s", lost.order_id)
    assert (hold["state"], await inventory.level(lost.lamp)) == (hold_is, level)
    assert await inventory.ledger_differences() == []


async def test_an_order_that_is_still_pending_is_asked_about_again(
    inventory: Inventory, lost: Lost, clock: Clock
) -> None:
    lost.answers("pending")
    clock.advance(minutes=20)
    await follow(inventory)
    lost.answers("paid")

    at_once = await follow(inventory)
    clock.advance(minutes=1)

    assert [at_once, await follow(inventory), await follow(inventory)] == [False, True, False]


@pytest.mark.usefixtures("lost")
async def test_nobody_is_asked_before_the_order_can_have_ended(
    inventory: Inventory, clock: Clock, sidecar: SidecarDouble
) -> None:
    clock.advance(minutes=19, seconds=59)

    assert await follow(inventory) is False
    assert sidecar.calls == []


@pytest.mark.parametrize("kinds", [[OrderCancelled], [OrderPaid, OrderCancelled]])
async def test_a_hold_that_has_ended_is_not_asked_about(
    inventory: Inventory, lost: Lost, clock: Clock, kinds: list[type[OrderPaid | OrderCancelled]]
) -> None:
    for version, kind in enumerate(kinds, start=2):
        await inventory.deliver(order_event(kind, lost.order_id, version))
    clock.advance(days=9)

    assert await follow(inventory) is False


@pytest.fixture
async def paid(inventory: Inventory, lost: Lost) -> Lost:
    """An order that was paid, and never heard of again."""
    await inventory.deliver(order_event(OrderPaid, lost.order_id, 2))
    return lost


@pytest.mark.parametrize("status", ["cancelled", "refunded"])
async def test_a_paid_order_whose_cancellation_was_lost_gives_its_units_back(
    inventory: Inventory, paid: Lost, clock: Clock, status: str
) -> None:
    paid.answers(status)
    clock.advance(hours=6)

    assert [await follow(inventory), await follow(inventory)] == [True, False]

    (hold,) = await inventory.rows("SELECT state, follow_at FROM hold WHERE order_id = %s", paid.order_id)
    assert hold == {"state": "returned", "follow_at": None}
    assert await inventory.level(paid.lamp) == (5, 0)
    assert await inventory.ledger_differences() == []


@pytest.mark.parametrize("status", ["shipped", "delivered", "refunded"])
async def test_an_order_that_has_left_is_not_asked_about_again(
    inventory: Inventory, paid: Lost, clock: Clock, status: str
) -> None:
    paid.answers(status, has_left=True)
    clock.advance(hours=6)
    asked = await follow(inventory)
    clock.advance(days=9)

    assert [asked, await follow(inventory)] == [True, False]
    assert await inventory.level(paid.lamp) == (3, 0)


async def test_a_paid_order_is_asked_about_when_it_is_twice_as_old_and_once_a_day(
    inventory: Inventory, paid: Lost, clock: Clock
) -> None:
    paid.answers("paid")
    asked = []

    for hour in range(1, 73):
        clock.advance(hours=1)
        asked += [hour] * await follow(inventory)

    assert asked == [6, 12, 24, 48, 72]
    assert await inventory.level(paid.lamp) == (3, 0)


async def test_a_paid_order_whose_placing_is_heard_of_later_is_followed_like_any_other(
    inventory: Inventory, clock: Clock, sidecar: SidecarDouble
) -> None:
    (lamp,), order_id = await inventory.stocked(5), uuid4()
    clock.now = AT
    await inventory.reserve(order_id, {lamp: 2})
    await inventory.deliver(order_event(OrderPaid, order_id, 2))
    await inventory.deliver(order_event(OrderPlaced, order_id, 1))
    Lost(order_id, lamp, sidecar).answers("cancelled")
    clock.advance(hours=6)

    assert await follow(inventory) is True
    assert await inventory.level(lamp) == (5, 0)


async def test_a_move_that_nobody_told_of_is_a_warning_and_a_mere_question_is_none(
    inventory: Inventory, paid: Lost, clock: Clock
) -> None:
    with capture_logs() as logs:
        paid.answers("paid")
        clock.advance(hours=6)
        await follow(inventory)
        paid.answers("cancelled")
        clock.advance(hours=6)
        await follow(inventory)

    told = [(line["log_level"], line["hold_is"]) for line in logs if line["event"] == "hold.followed"]
    assert told == [("warning", "returned")]


async def test_an_order_service_that_is_away_is_asked_again_later(
    inventory: Inventory, lost: Lost, clock: Clock
) -> None:
    clock.advance(minutes=20)
    away = await follow(inventory)
    lost.answers("paid")
    clock.advance(minutes=1)

    assert [away, await follow(inventory)] == [False, True]


async def test_news_that_comes_after_all_changes_nothing_twice(inventory: Inventory, lost: Lost, clock: Clock) -> None:
    lost.answers("paid")
    clock.advance(minutes=20)
    await follow(inventory)

    assert await inventory.deliver(order_event(OrderPaid, lost.order_id, 2)) == "SUCCESS"
    assert await inventory.level(lost.lamp) == (3, 0)
    assert await inventory.deliver(order_event(OrderCancelled, lost.order_id, 5)) == "SUCCESS"
    assert await inventory.level(lost.lamp) == (5, 0)
