"""Holds follow their orders."""

from uuid import UUID, uuid4

import pytest

from services.contracts.events import OrderCancelled, OrderEvent, OrderPaid, OrderPlaced, OrderShipped
from tests.service.inventory.conftest import Inventory
from tests.service.inventory.orders import order_event

PLACED, PAID, CANCELLED = OrderPlaced, OrderPaid, OrderCancelled


async def held(inventory: Inventory, on_hand: int = 5, quantity: int = 2) -> tuple[UUID, UUID]:
    (lamp,) = await inventory.stocked(on_hand)
    order = uuid4()
    await inventory.reserve(order, {lamp: quantity})
    return order, lamp


async def state_of(inventory: Inventory, order: UUID) -> tuple[str, int]:
    (hold,) = await inventory.rows("SELECT * FROM hold WHERE order_id = %s", order)
    return hold["state"], hold["order_version"]


@pytest.mark.parametrize(
    ("events", "state", "level"),
    [
        ([(PLACED, 1)], ("held", 1), (5, 2)),
        ([(PLACED, 1), (PAID, 2)], ("committed", 2), (3, 0)),
        ([(PAID, 2), (PLACED, 1)], ("committed", 2), (3, 0)),
        ([(PLACED, 1), (CANCELLED, 2)], ("released", 2), (5, 0)),
        ([(PLACED, 1), (PAID, 2), (CANCELLED, 3)], ("returned", 3), (5, 0)),
        ([(PLACED, 1), (CANCELLED, 3), (PAID, 2)], ("released", 3), (5, 0)),
        ([(PAID, 2), (PAID, 2)], ("committed", 2), (3, 0)),
        ([(CANCELLED, 2), (CANCELLED, 2), (PLACED, 1)], ("released", 2), (5, 0)),
        ([(CANCELLED, 2), (PAID, 3)], ("released", 2), (5, 0)),
    ],
)
async def test_whatever_order_events_come_in_the_stock_ends_where_the_order_does(
    inventory: Inventory, events: list[tuple[type[OrderEvent], int]], state: tuple[str, int], level: tuple[int, int]
) -> None:
    order, lamp = await held(inventory)

    told = [await inventory.deliver(order_event(kind, order, version)) for kind, version in events]

    assert set(told) == {"SUCCESS"}
    assert await state_of(inventory, order) == state
    assert await inventory.level(lamp) == level
    assert await inventory.ledger_differences() == []


async def test_each_move_is_told_once_with_the_holds_version(inventory: Inventory) -> None:
    order, _ = await held(inventory)
    paid, cancelled = order_event(PAID, order, 2), order_event(CANCELLED, order, 3)

    for event in (paid, paid, cancelled, cancelled):
        await inventory.deliver(event)

    told = [(fact["type"], fact["version"]) for fact in await inventory.facts() if fact["aggregate_id"] == order]
    assert told == [("stock.held", 1), ("stock.committed", 2), ("stock.returned", 3)]
    entries = await inventory.rows("SELECT * FROM stock_entry WHERE order_id = %s ORDER BY id", order)
    assert [(entry["kind"], entry["on_hand_change"], entry["reserved_change"]) for entry in entries] == [
        ("held", 0, 2),
        ("committed", -2, -2),
        ("returned", 2, 0),
    ]
    assert {entry["actor"] for entry in entries} == {paid.actor}


@pytest.mark.parametrize("kind", [PLACED, PAID, CANCELLED])
async def test_an_order_without_a_hold_is_delivered_again(inventory: Inventory, kind: type[OrderEvent]) -> None:
    assert await inventory.deliver(order_event(kind, uuid4(), 1)) == "RETRY"


async def test_other_moves_of_an_order_do_not_concern_the_stock(inventory: Inventory) -> None:
    shipped = OrderShipped(
        **order_event(OrderPaid, uuid4(), 3).model_dump(exclude={"total_amount"}),
        total_amount={"amount": "1.00", "currency": "EUR"},
        carrier="post",
        tracking_number="1",
    )

    assert await inventory.deliver(shipped) == "SUCCESS"


async def test_an_older_version_than_the_hold_has_seen_releases_nothing(inventory: Inventory) -> None:
    order, lamp = await held(inventory)
    await inventory.deliver(order_event(PLACED, order, 3))

    assert await inventory.deliver(order_event(CANCELLED, order, 2)) == "SUCCESS"

    assert await state_of(inventory, order) == ("held", 3)
    assert await inventory.level(lamp) == (5, 2)
