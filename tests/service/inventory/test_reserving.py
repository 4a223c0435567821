"""Holding stock for an order that is being placed."""

import asyncio
from collections import Counter
from uuid import UUID, uuid4

import grpc
import pytest

from services.contracts.events import OrderCancelled, OrderPaid
from services.contracts.proto.inventory_pb2 import Line, ReserveReply, ReserveRequest
from services.shared.identity import Role
from tests.service.inventory.conftest import BUYER, Inventory
from tests.service.inventory.orders import order_event

HELD, INSUFFICIENT = ReserveReply.HELD, ReserveReply.INSUFFICIENT
OTHER_LINES, RELEASED = ReserveReply.OTHER_LINES, ReserveReply.RELEASED


async def test_a_reservation_takes_from_what_is_available_and_tells_of_it(inventory: Inventory) -> None:
    lamp, cable = sorted(await inventory.stocked(5, 3))
    order = uuid4()

    reply = await inventory.reserve(order, {cable: 1, lamp: 2})

    assert reply.outcome == HELD
    levels = [(await inventory.level(lamp))[1], (await inventory.level(cable))[1]]
    assert levels == [2, 1]
    fact = (await inventory.facts())[-1]
    assert (fact["type"], fact["aggregate_id"], fact["version"]) == ("stock.held", order, 1)
    assert fact["data"]["lines"] == [
        {"product_id": str(lamp), "quantity": 2},
        {"product_id": str(cable), "quantity": 1},
    ]
    assert [(level["product_id"], level["reserved"]) for level in fact["data"]["levels"]] == [
        (str(lamp), 2),
        (str(cable), 1),
    ]


async def test_lines_of_one_product_count_together(inventory: Inventory) -> None:
    (lamp,) = await inventory.stocked(3)
    lines = [Line(product_id=str(lamp), quantity=2), Line(product_id=str(lamp), quantity=2)]
    request = ReserveRequest(order_id=str(uuid4()), lines=lines)

    reply = await inventory.stub.Reserve(request, metadata=inventory.metadata(Role.CUSTOMER))

    assert reply.outcome == INSUFFICIENT
    assert [(short.requested, short.available) for short in reply.shortages] == [(4, 3)]


async def test_the_same_reservation_again_holds_once_even_when_nothing_is_left(inventory: Inventory) -> None:
    (lamp,) = await inventory.stocked(2)
    order = uuid4()

    replies = [await inventory.reserve(order, {lamp: 2}) for _ in range(3)]

    assert [reply.outcome for reply in replies] == [HELD, HELD, HELD]
    assert await inventory.level(lamp) == (2, 2)
    assert Counter(fact["type"] for fact in await inventory.facts())["stock.held"] == 1


async def test_other_lines_for_the_same_order_are_told_apart(inventory: Inventory) -> None:
    lamp, cable = await inventory.stocked(5, 5)
    order = uuid4()
    await inventory.reserve(order, {lamp: 1})

    outcomes = [
        (await inventory.reserve(order, {lamp: 2})).outcome,
        (await inventory.reserve(order, {lamp: 1, cable: 1})).outcome,
        (await inventory.reserve(order, {lamp: 1}, user=uuid4())).outcome,
    ]

    assert outcomes == [OTHER_LINES, OTHER_LINES, OTHER_LINES]
    assert await inventory.level(lamp) == (5, 1)


async def test_a_hold_that_was_released_is_not_held_again(inventory: Inventory) -> None:
    (lamp,) = await inventory.stocked(5)
    released, returned, committed = uuid4(), uuid4(), uuid4()
    for order in (released, returned, committed):
        await inventory.reserve(order, {lamp: 1})
    await inventory.deliver(order_event(OrderCancelled, released, 2))
    await inventory.deliver(order_event(OrderPaid, returned, 2))
    await inventory.deliver(order_event(OrderCancelled, returned, 3))
    await inventory.deliver(order_event(OrderPaid, committed, 2))

    outcomes = [(await inventory.reserve(order, {lamp: 1})).outcome for order in (released, returned, committed)]

    assert outcomes == [RELEASED, RELEASED, HELD]


async def test_too_little_of_one_product_reserves_nothing_of_any(inventory: Inventory) -> None:
    lamp, cable = await inventory.stocked(5, 1)
    unknown = uuid4()

    reply = await inventory.reserve(uuid4(), {lamp: 1, cable: 2, unknown: 1})

    assert reply.outcome == INSUFFICIENT
    shortages = {short.product_id: (short.requested, short.available) for short in reply.shortages}
    assert shortages == {str(cable): (2, 1), str(unknown): (1, 0)}
    assert await inventory.level(lamp) == (5, 0)
    assert await inventory.rows("SELECT * FROM hold") == []


@pytest.mark.parametrize(
    ("order_id", "product_id", "quantity", "slug"),
    [
        ("no-uuid", str(UUID(int=1)), 1, "id-invalid"),
        (str(UUID(int=1)), "no-uuid", 1, "id-invalid"),
        (str(UUID(int=1)), str(UUID(int=1)), 0, "quantity-invalid"),
        (str(UUID(int=1)), str(UUID(int=1)), 1001, "quantity-invalid"),
    ],
)
async def test_nonsense_is_an_invalid_argument(
    inventory: Inventory, order_id: str, product_id: str, quantity: int, slug: str
) -> None:
    request = ReserveRequest(order_id=order_id, lines=[Line(product_id=product_id, quantity=quantity)])

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await inventory.stub.Reserve(request, metadata=inventory.metadata(Role.CUSTOMER))

    assert (refused.value.code(), refused.value.details()) == (grpc.StatusCode.INVALID_ARGUMENT, slug)


async def test_forty_buyers_of_the_last_ten_lamps_get_exactly_ten(inventory: Inventory) -> None:
    lamp, cable = await inventory.stocked(10, 1000)

    replies = await asyncio.gather(*(inventory.reserve(uuid4(), {lamp: 1, cable: 1}) for _ in range(40)))

    assert Counter(reply.outcome for reply in replies) == {HELD: 10, INSUFFICIENT: 30}
    assert (await inventory.level(lamp), await inventory.level(cable)) == ((10, 10), (1000, 10))
    assert await inventory.ledger_differences() == []


async def test_many_buyers_of_the_same_two_products_never_wait_for_each_other_in_a_circle(inventory: Inventory) -> None:
    lamp, cable = await inventory.stocked(100, 100)

    replies = await asyncio.gather(
        *(inventory.reserve(uuid4(), {lamp: 1, cable: 1} if turn % 2 else {cable: 1, lamp: 1}) for turn in range(40))
    )

    assert {reply.outcome for reply in replies} == {HELD}
    assert (await inventory.level(lamp), await inventory.level(cable)) == ((100, 40), (100, 40))


async def test_one_order_reserved_ten_times_at_once_is_held_once(inventory: Inventory) -> None:
    (lamp,) = await inventory.stocked(10)
    order = uuid4()

    replies = await asyncio.gather(*(inventory.reserve(order, {lamp: 2}) for _ in range(10)))

    assert {reply.outcome for reply in replies} == {HELD}
    assert await inventory.level(lamp) == (10, 2)


async def test_one_order_reserved_with_different_lines_at_once_has_one_winner(inventory: Inventory) -> None:
    lamp, cable = await inventory.stocked(10, 10)
    order = uuid4()

    replies = await asyncio.gather(inventory.reserve(order, {lamp: 1}), inventory.reserve(order, {cable: 1}))

    assert sorted(reply.outcome for reply in replies) == [HELD, OTHER_LINES]
    assert (await inventory.level(lamp))[1] + (await inventory.level(cable))[1] == 1


async def test_a_deadlock_is_tried_again(inventory: Inventory) -> None:
    (lamp,) = await inventory.stocked(5)
    await inventory.rows("""
        CREATE SEQUENCE turn;
        CREATE FUNCTION lose_once() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF nextval('turn') = 1 THEN RAISE EXCEPTION USING ERRCODE = 'deadlock_detected'; END IF; RETURN NEW;
        END $$;
        CREATE TRIGGER lose_once BEFORE INSERT ON hold FOR EACH ROW EXECUTE FUNCTION lose_once()
    """)

    reply = await inventory.reserve(uuid4(), {lamp: 1})
    await inventory.rows("DROP FUNCTION lose_once CASCADE; DROP SEQUENCE turn")

    assert reply.outcome == HELD
    assert await inventory.level(lamp) == (5, 1)


async def test_stock_that_changes_at_every_attempt_is_away_for_the_moment(inventory: Inventory) -> None:
    (lamp,) = await inventory.stocked(5)
    await inventory.rows("""
        CREATE FUNCTION skip() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$;
        CREATE TRIGGER skip BEFORE INSERT ON hold FOR EACH ROW EXECUTE FUNCTION skip()
    """)

    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await inventory.reserve(uuid4(), {lamp: 1})
    await inventory.rows("DROP FUNCTION skip CASCADE")

    assert (refused.value.code(), refused.value.details()) == (grpc.StatusCode.UNAVAILABLE, "stock-contended")


async def test_the_hold_remembers_who_it_is_for(inventory: Inventory) -> None:
    (lamp,) = await inventory.stocked(5)

    await inventory.reserve(uuid4(), {lamp: 1})

    (hold,) = await inventory.rows("SELECT * FROM hold")
    assert (hold["user_id"], hold["state"], hold["confirmed"]) == (BUYER, "held", False)
    assert (hold["ask_at"] - hold["held_at"]).total_seconds() == 60
