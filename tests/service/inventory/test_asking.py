"""Holds that nobody has placed are asked about, and the answer decides."""

import asyncio
from uuid import UUID, uuid4

import pytest

from services.contracts.answers import Placement, PlacementOutcome
from services.contracts.events import OrderPaid, OrderPlaced
from services.inventory import app
from services.inventory.operations.asking import ask_about_one
from services.shared.sidecar import CallRefused
from services.shared.sidecar_double import SidecarDouble, refused
from tests.service.doors import Clock, World
from tests.service.inventory.conftest import SETTINGS, Inventory
from tests.service.inventory.orders import order_event


def answer(sidecar: SidecarDouble, order: UUID, outcome: PlacementOutcome) -> None:
    placement = Placement(order_id=order, outcome=outcome)
    sidecar.reply("order", "POST", f"/internal/placements/{order}/ask", lambda _: placement)


async def ask(inventory: Inventory) -> bool:
    runtime = inventory.runtime
    return await ask_about_one(runtime.database, runtime.sidecar, now=runtime.clock())


@pytest.fixture
async def lamp(inventory: Inventory) -> UUID:
    return (await inventory.stocked(5))[0]


@pytest.fixture
async def order(inventory: Inventory, lamp: UUID) -> UUID:
    order = uuid4()
    await inventory.reserve(order, {lamp: 2})
    return order


async def hold_of(inventory: Inventory, order: UUID) -> tuple[str, bool]:
    (hold,) = await inventory.rows("SELECT * FROM hold WHERE order_id = %s", order)
    return hold["state"], hold["confirmed"]


async def test_nobody_is_asked_about_a_fresh_hold(
    inventory: Inventory, order: UUID, clock: Clock, sidecar: SidecarDouble
) -> None:
    answer(sidecar, order, PlacementOutcome.ABANDONED)
    clock.advance(seconds=59)

    assert await ask(inventory) is False
    assert sidecar.calls == []


async def test_an_abandoned_order_gives_its_hold_back(
    inventory: Inventory, order: UUID, lamp: UUID, clock: Clock, sidecar: SidecarDouble
) -> None:
    answer(sidecar, order, PlacementOutcome.ABANDONED)
    clock.advance(seconds=60)

    assert [await ask(inventory), await ask(inventory)] == [True, False]
    assert await hold_of(inventory, order) == ("released", False)
    assert await inventory.level(lamp) == (5, 0)
    fact = (await inventory.facts())[-1]
    assert (fact["type"], fact["version"]) == ("stock.released", 2)
    (entry,) = await inventory.rows("SELECT * FROM stock_entry WHERE kind = 'released'")
    assert entry["actor"] == "service:inventory"


async def test_a_placed_order_is_never_asked_about_again(
    inventory: Inventory, order: UUID, lamp: UUID, clock: Clock, sidecar: SidecarDouble
) -> None:
    answer(sidecar, order, PlacementOutcome.PLACED)
    clock.advance(seconds=60)

    first = await ask(inventory)
    clock.advance(hours=1)

    assert [first, await ask(inventory)] == [True, False]
    assert await hold_of(inventory, order) == ("held", True)
    assert await inventory.level(lamp) == (5, 2)


@pytest.mark.parametrize(("kind", "version"), [(OrderPlaced, 1), (OrderPaid, 2)])
async def test_an_order_that_was_heard_of_needs_no_asking(
    inventory: Inventory, order: UUID, clock: Clock, kind: type[OrderPlaced | OrderPaid], version: int
) -> None:
    await inventory.deliver(order_event(kind, order, version))
    clock.advance(hours=1)

    assert await ask(inventory) is False


async def test_an_order_service_that_is_away_is_asked_again_later(
    inventory: Inventory, order: UUID, clock: Clock, sidecar: SidecarDouble
) -> None:
    clock.advance(seconds=60)
    away = await ask(inventory)
    answer(sidecar, order, PlacementOutcome.ABANDONED)
    at_once = await ask(inventory)
    clock.advance(seconds=15)

    assert [away, at_once, await ask(inventory)] == [False, False, True]
    assert await hold_of(inventory, order) == ("released", False)


async def test_a_refused_question_does_not_block_the_next_hold(
    inventory: Inventory, order: UUID, lamp: UUID, clock: Clock, sidecar: SidecarDouble
) -> None:
    sidecar.reply("order", "POST", f"/internal/placements/{order}/ask", refused(403, "forbidden"))
    other = uuid4()
    clock.advance(seconds=1)
    await inventory.reserve(other, {lamp: 1})
    answer(sidecar, other, PlacementOutcome.ABANDONED)
    clock.advance(seconds=60)

    with pytest.raises(CallRefused):
        await ask(inventory)

    assert await ask(inventory) is True
    assert await hold_of(inventory, other) == ("released", False)


async def test_two_askers_do_not_ask_about_the_same_hold(
    inventory: Inventory, order: UUID, clock: Clock, sidecar: SidecarDouble
) -> None:
    answer(sidecar, order, PlacementOutcome.ABANDONED)
    clock.advance(seconds=60)

    assert sorted(await asyncio.gather(ask(inventory), ask(inventory))) == [False, True]
    assert len(sidecar.calls) == 1


async def test_a_hold_that_is_just_being_changed_keeps_no_other_from_being_asked_about(
    inventory: Inventory, order: UUID, lamp: UUID, clock: Clock, sidecar: SidecarDouble
) -> None:
    clock.advance(seconds=1)
    other = uuid4()
    await inventory.reserve(other, {lamp: 1})
    answer(sidecar, other, PlacementOutcome.ABANDONED)
    clock.advance(seconds=60)

    async with inventory.runtime.database.engine.connect() as connection:
        await connection.exec_driver_sql("SELECT FROM hold WHERE order_id = %s FOR UPDATE", (order,))
        asked = [await ask(inventory), await ask(inventory)]

    assert asked == [True, False]
    assert await hold_of(inventory, other) == ("released", False)


async def test_the_order_that_was_placed_while_it_was_asked_about_keeps_its_hold(
    inventory: Inventory, order: UUID, clock: Clock, sidecar: SidecarDouble
) -> None:
    await inventory.rows("UPDATE hold SET order_version = 1 WHERE order_id = %s", order)
    answer(sidecar, order, PlacementOutcome.ABANDONED)
    clock.advance(seconds=60)

    await ask(inventory)

    assert (await hold_of(inventory, order))[0] == "held"


async def test_the_service_asks_by_a_timer(world: World) -> None:
    timers = app.create(world.start("inventory"), SETTINGS).timers

    assert [timer.name for timer in timers] == ["asker", "follower"]
    async with world.start("inventory")() as runtime:
        assert [await timer.step(runtime) for timer in timers] == [False, False]
