"""What a hold and a level allow."""

from datetime import UTC, datetime
from itertools import product
from uuid import UUID

import pytest

from services.contracts.events import HeldLine, Level, StockCommitted, StockReleased, StockReturned
from services.inventory.domain import (
    LARGEST_LEVEL,
    MOVES,
    BelowReserved,
    Change,
    Hold,
    HoldCannotMove,
    HoldState,
    LevelInvalid,
    LevelStale,
    QuantityInvalid,
    merged,
)

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
ORDER, BUYER = UUID(int=1), UUID(int=2)
LAMP, CABLE = UUID(int=10), UUID(int=11)


def hold(state: HoldState, *, order_version: int = 1) -> Hold:
    return Hold(
        order_id=ORDER,
        user_id=BUYER,
        state=state,
        order_version=order_version,
        confirmed=True,
        version=3,
        lines=(HeldLine(product_id=LAMP, quantity=2),),
    )


def level(on_hand: int, reserved: int = 0, version: int = 5) -> Level:
    return Level(product_id=LAMP, on_hand=on_hand, reserved=reserved, version=version)


def test_there_are_three_moves_and_no_others() -> None:
    allowed = {(before, after) for before, after in product(HoldState, HoldState) if after in MOVES[before]}

    assert allowed == {
        (HoldState.HELD, HoldState.COMMITTED),
        (HoldState.HELD, HoldState.RELEASED),
        (HoldState.COMMITTED, HoldState.RETURNED),
    }


@pytest.mark.parametrize(
    ("state", "to"),
    [(HoldState.HELD, HoldState.COMMITTED), (HoldState.COMMITTED, None)],
)
def test_a_paid_order_commits_its_hold_once(state: HoldState, to: HoldState | None) -> None:
    assert hold(state).on_paid(2) is to


@pytest.mark.parametrize("state", [HoldState.RELEASED, HoldState.RETURNED])
def test_a_hold_that_has_ended_cannot_be_committed(state: HoldState) -> None:
    with pytest.raises(HoldCannotMove, match=f"{state} cannot become committed"):
        hold(state).on_paid(2)


@pytest.mark.parametrize(
    ("state", "to"),
    [
        (HoldState.HELD, HoldState.RELEASED),
        (HoldState.COMMITTED, HoldState.RETURNED),
        (HoldState.RELEASED, None),
        (HoldState.RETURNED, None),
    ],
)
def test_an_ended_order_gives_back_what_its_hold_has_taken(state: HoldState, to: HoldState | None) -> None:
    assert hold(state).on_ended(2) is to


@pytest.mark.parametrize("state", HoldState)
def test_an_older_version_of_the_order_changes_nothing(state: HoldState) -> None:
    seen = hold(state, order_version=3)

    assert seen.on_paid(2) is None
    assert seen.on_ended(2) is None


@pytest.mark.parametrize(
    ("to", "fact"),
    [
        (HoldState.COMMITTED, StockCommitted),
        (HoldState.RELEASED, StockReleased),
        (HoldState.RETURNED, StockReturned),
    ],
)
def test_a_move_is_told_with_the_levels_after_it(to: HoldState, fact: type) -> None:
    told = hold(HoldState.HELD).moved(to, (level(3),), at=AT)

    assert told == fact(order_id=ORDER, version=4, at=AT, lines=hold(to).lines, levels=(level(3),))


def test_lines_of_one_product_are_merged_and_all_are_sorted() -> None:
    lines = merged([(CABLE, 1), (LAMP, 2), (CABLE, 3)])

    assert lines == (HeldLine(product_id=LAMP, quantity=2), HeldLine(product_id=CABLE, quantity=4))


@pytest.mark.parametrize("quantity", [0, -1, 1001, 10**9])
def test_an_absurd_quantity_is_refused(quantity: int) -> None:
    with pytest.raises(QuantityInvalid):
        merged([(LAMP, 1), (CABLE, quantity)])


@pytest.mark.parametrize("count", [0, 101])
def test_a_reservation_has_1_to_100_lines(count: int) -> None:
    with pytest.raises(QuantityInvalid):
        merged([(UUID(int=number), 1) for number in range(count)])


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (Change(product_id=LAMP, on_hand=7, reason=""), -3),
        (Change(product_id=LAMP, on_hand=4, reason=""), -6),
        (Change(product_id=LAMP, adjust_by=-6, reason=""), -6),
        (Change(product_id=LAMP, adjust_by=5, reason="", if_version=5), 5),
        (Change(product_id=LAMP, on_hand=LARGEST_LEVEL, reason=""), LARGEST_LEVEL - 10),
    ],
)
def test_a_change_is_booked_as_a_difference(change: Change, difference: int) -> None:
    assert change.of(level(10, reserved=4)) == difference


@pytest.mark.parametrize(
    ("change", "refusal"),
    [
        (Change(product_id=LAMP, on_hand=3, reason=""), BelowReserved),
        (Change(product_id=LAMP, adjust_by=-7, reason=""), BelowReserved),
        (Change(product_id=LAMP, on_hand=-1, reason=""), BelowReserved),
        (Change(product_id=LAMP, on_hand=LARGEST_LEVEL + 1, reason=""), LevelInvalid),
        (Change(product_id=LAMP, adjust_by=LARGEST_LEVEL, reason=""), LevelInvalid),
        (Change(product_id=LAMP, on_hand=9, reason="", if_version=4), LevelStale),
    ],
)
def test_an_impossible_change_is_refused(change: Change, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        change.of(level(10, reserved=4))
