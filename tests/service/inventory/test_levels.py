"""Levels are counted, adjusted and opened."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import grpc
import pytest

from services.contracts.proto.inventory_pb2 import GetLevelsRequest, SetLevelReply
from services.shared.identity import Role
from tests.conditions import eventually
from tests.service.doors import Clock
from tests.service.inventory.conftest import BUYER, Inventory
from tests.service.inventory.orders import AT, opening

SET, BELOW_RESERVED, STALE = SetLevelReply.SET, SetLevelReply.BELOW_RESERVED, SetLevelReply.STALE


async def test_the_first_count_begins_a_level(inventory: Inventory) -> None:
    lamp = uuid4()

    reply = await inventory.set_level(lamp, on_hand=7, reason="delivery")

    assert (reply.outcome, reply.level.on_hand, reply.level.reserved, reply.level.version) == (SET, 7, 0, 1)
    fact = (await inventory.facts())[-1]
    assert (fact["type"], fact["aggregate_id"], fact["version"]) == ("stock.set", lamp, 1)
    assert (fact["data"]["change"], fact["data"]["reason"]) == (7, "delivery")
    (entry,) = await inventory.rows("SELECT * FROM stock_entry")
    assert (entry["kind"], entry["reason"], entry["actor"]) == ("counted", "delivery", f"staff:{BUYER}")


async def test_a_level_is_adjusted_by_a_difference(inventory: Inventory) -> None:
    (lamp,) = await inventory.stocked(7)

    reply = await inventory.set_level(lamp, adjust_by=-3)

    assert (reply.outcome, reply.level.on_hand, reply.level.version) == (SET, 4, 2)
    assert (await inventory.facts())[-1]["data"]["reason"] == "adjusted"


async def test_a_level_does_not_fall_below_what_is_reserved(inventory: Inventory) -> None:
    (lamp,) = await inventory.stocked(7)
    await inventory.reserve(uuid4(), {lamp: 5})

    reply = await inventory.set_level(lamp, on_hand=4)

    assert (reply.outcome, reply.level.on_hand, reply.level.reserved) == (BELOW_RESERVED, 7, 5)
    assert await inventory.level(lamp) == (7, 5)


async def test_a_refused_first_change_leaves_no_level_behind(inventory: Inventory) -> None:
    lamp = uuid4()

    outcomes = [
        (await inventory.set_level(lamp, adjust_by=-1)).outcome,
        (await inventory.set_level(lamp, on_hand=1, if_version=3)).outcome,
    ]

    assert outcomes == [BELOW_RESERVED, STALE]
    assert await inventory.rows("SELECT * FROM stock_level") == []
    assert await inventory.facts() == []


async def test_a_level_that_has_changed_is_not_overwritten(inventory: Inventory) -> None:
    (lamp,) = await inventory.stocked(7)
    await inventory.set_level(lamp, on_hand=8, if_version=1)

    reply = await inventory.set_level(lamp, on_hand=9, if_version=1)

    assert (reply.outcome, reply.level.on_hand, reply.level.version) == (STALE, 8, 2)


@pytest.mark.parametrize("change", [{"on_hand": 9}, {"adjust_by": 2}])
async def test_of_many_changes_at_once_of_what_all_have_seen_one_is_made(
    inventory: Inventory, change: dict[str, int]
) -> None:
    (lamp,) = await inventory.stocked(7)

    async with inventory.runtime.database.engine.connect() as connection:
        await connection.exec_driver_sql("SELECT FROM stock_level FOR UPDATE")
        changes = [asyncio.create_task(inventory.set_level(lamp, if_version=1, **change)) for _ in range(4)]
        await eventually(lambda: _wait(inventory, len(changes)))
        await connection.rollback()
    outcomes = [reply.outcome for reply in await asyncio.gather(*changes)]

    assert sorted(outcomes) == [SET, STALE, STALE, STALE]
    assert await inventory.level(lamp) == (9, 0)
    assert await inventory.ledger_differences() == []


async def _wait(inventory: Inventory, how_many: int) -> bool:
    waiting = "SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    return len(await inventory.rows(waiting)) == how_many


async def test_two_adjustments_at_once_both_count(inventory: Inventory) -> None:
    lamp = uuid4()

    await asyncio.gather(*(inventory.set_level(lamp, adjust_by=1) for _ in range(10)))

    assert await inventory.level(lamp) == (10, 0)
    assert await inventory.ledger_differences() == []


@pytest.mark.parametrize(
    ("change", "slug"),
    [
        ({}, "level-invalid"),
        ({"on_hand": 10**9 + 1}, "level-invalid"),
        ({"adjust_by": 2**62}, "level-invalid"),
        ({"on_hand": 1, "reason": "x" * 501}, "reason-invalid"),
        ({"on_hand": 1, "reason": "\x00"}, "reason-invalid"),
    ],
)
async def test_an_absurd_change_is_an_invalid_argument(
    inventory: Inventory, change: dict[str, int | str], slug: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await inventory.set_level(uuid4(), **change)

    assert (refused.value.code(), refused.value.details()) == (grpc.StatusCode.INVALID_ARGUMENT, slug)


async def test_unknown_products_are_absent_from_the_levels(inventory: Inventory) -> None:
    lamp, cable = sorted(await inventory.stocked(1, 2))
    request = GetLevelsRequest(product_ids=[str(cable), str(uuid4()), str(lamp)])

    reply = await inventory.stub.GetLevels(request, metadata=inventory.metadata(Role.STAFF))

    assert [level.product_id for level in reply.levels] == [str(lamp), str(cable)]


async def test_at_most_500_levels_are_read_at_once(inventory: Inventory) -> None:
    request = GetLevelsRequest(product_ids=[str(uuid4())] * 501)

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await inventory.stub.GetLevels(request, metadata=inventory.metadata(Role.STAFF))

    assert refused.value.details() == "too-many-ids"


async def test_opening_stock_is_booked_once_for_each_product(inventory: Inventory) -> None:
    lamp, cable = sorted([uuid4(), uuid4()])

    told = [await inventory.deliver(opening((lamp, 100), (cable, 0), (lamp, 7))) for _ in range(2)]
    told.append(await inventory.deliver(opening((cable, 50))))

    assert set(told) == {"SUCCESS"}
    assert [await inventory.level(lamp), await inventory.level(cable)] == [(100, 0), (0, 0)]
    facts = [(fact["aggregate_id"], fact["version"], fact["data"]["change"]) for fact in await inventory.facts()]
    assert sorted(facts) == [(lamp, 1, 100), (cable, 1, 0)]
    assert await inventory.ledger_differences() == []


@pytest.mark.parametrize("change", [{"on_hand": 3}, {"adjust_by": 3}])
async def test_opening_stock_comes_too_late_after_any_booking_before_it_was_declared(
    inventory: Inventory, clock: Clock, change: dict[str, int]
) -> None:
    lamp, clock.now = uuid4(), AT - timedelta(seconds=1)
    await inventory.set_level(lamp, **change)

    await inventory.deliver(opening((lamp, 100)))

    assert await inventory.level(lamp) == (3, 0)


async def test_opening_stock_that_is_heard_of_late_adds_to_adjustments_and_what_was_held_of_them(
    inventory: Inventory, clock: Clock
) -> None:
    lamp, clock.now = uuid4(), AT
    await inventory.set_level(lamp, adjust_by=5)
    await inventory.reserve(uuid4(), {lamp: 2})

    told = [await inventory.deliver(opening((lamp, 100))) for _ in range(2)]

    assert (told, await inventory.level(lamp)) == (["SUCCESS", "SUCCESS"], (105, 2))
    fact = (await inventory.facts())[-1]["data"]
    assert (fact["version"], fact["change"], fact["levels"][0]["on_hand"]) == (3, 100, 105)
    assert await inventory.ledger_differences() == []


async def test_opening_stock_that_is_heard_of_after_a_count_was_counted(inventory: Inventory, clock: Clock) -> None:
    lamp, clock.now = uuid4(), AT
    await inventory.set_level(lamp, on_hand=97)

    await inventory.deliver(opening((lamp, 100)))

    assert await inventory.level(lamp) == (97, 0)


async def test_a_hundred_times_opened_at_once_is_opened_once(inventory: Inventory, clock: Clock) -> None:
    clock.now = AT
    products = [UUID(int=number) for number in range(1, 21)]

    await asyncio.gather(
        *(inventory.deliver(opening(*((product, 10) for product in products))) for _ in range(10)),
        *(inventory.set_level(product, adjust_by=5) for product in products[:5]),
    )

    levels = [(await inventory.level(product))[0] for product in products]
    assert (set(levels[:5]), set(levels[5:])) == ({15}, {10})
    assert await inventory.ledger_differences() == []
