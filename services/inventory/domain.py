"""Levels and holds: which moves there are, what each does to a level, and what is refused."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from services.contracts.events import HeldLine, HoldEvent, Level, StockCommitted, StockReleased, StockReturned
from services.shared.errors import Conflict, Invalid, Stale, TooEarly, Unavailable

LARGEST_LEVEL = 1_000_000_000
"""The most units of one product that are ever on hand."""
LARGEST_QUANTITY = 1_000
MOST_LINES = 100
ASKED_AFTER = timedelta(seconds=60)
"""A hold that nobody has placed by then is asked about."""
FOLLOWED_AFTER = timedelta(minutes=20)
"""A placed order is paid or cancelled by then, unless its payment takes long or the news of it was lost."""
PAID_FOLLOWED_AFTER = timedelta(hours=6)
"""A paid order may be cancelled until its parcel leaves: it is asked about then, and whenever it is twice as old."""
PAID_FOLLOWED_WITHIN = timedelta(days=1)
"""A paid order that has not left is asked about at least this often."""


class HoldState(StrEnum):
    """Where a hold stands."""

    HELD = "held"
    COMMITTED = "committed"
    RELEASED = "released"
    RETURNED = "returned"


MOVES: Mapping[HoldState, frozenset[HoldState]] = {
    HoldState.HELD: frozenset({HoldState.COMMITTED, HoldState.RELEASED}),
    HoldState.COMMITTED: frozenset({HoldState.RETURNED}),
    HoldState.RELEASED: frozenset(),
    HoldState.RETURNED: frozenset(),
}


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What a move does to a level for each unit held, and the fact that tells of it."""

    on_hand: int
    reserved: int
    fact: type[HoldEvent]


EFFECTS: Mapping[HoldState, Effect] = {
    HoldState.COMMITTED: Effect(on_hand=-1, reserved=-1, fact=StockCommitted),
    HoldState.RELEASED: Effect(on_hand=0, reserved=-1, fact=StockReleased),
    HoldState.RETURNED: Effect(on_hand=1, reserved=0, fact=StockReturned),
}


class HoldUnknown(TooEarly):
    """There is no hold for this order."""


class HoldCannotMove(Conflict):
    """A hold that is {before} cannot become {after}."""


class QuantityInvalid(Invalid):
    """A reservation has 1 to 100 lines of 1 to 1000 units."""


class StockContended(Unavailable):
    """The stock of these products changes too fast just now; try again."""


class LevelInvalid(Invalid):
    """Stock on hand is between 0 and 1,000,000,000 units."""


class BelowReserved(Conflict):
    """Stock on hand cannot fall below what is reserved."""

    def __init__(self, level: Level) -> None:
        """Keep the level that stands."""
        super().__init__()
        self.level = level


class LevelStale(Stale):
    """The level has changed since you read it."""

    def __init__(self, level: Level) -> None:
        """Keep the level that stands."""
        super().__init__()
        self.level = level


def merged(lines: Iterable[tuple[UUID, int]]) -> tuple[HeldLine, ...]:
    """One line for each product, sorted: the order in which levels are always locked.

    :raises QuantityInvalid: there are no lines, too many, or one asks for an absurd quantity.
    """
    quantities: dict[UUID, int] = {}
    asked = list(lines)
    if not 0 < len(asked) <= MOST_LINES or not all(0 < quantity <= LARGEST_QUANTITY for _, quantity in asked):
        raise QuantityInvalid
    for product_id, quantity in asked:
        quantities[product_id] = quantities.get(product_id, 0) + quantity
    return tuple(HeldLine(product_id=product_id, quantity=quantities[product_id]) for product_id in sorted(quantities))


@dataclass(frozen=True, kw_only=True)
class Hold:
    """Units that are kept for an order, and the version of that order which the hold has seen."""

    order_id: UUID
    user_id: UUID
    state: HoldState
    order_version: int
    confirmed: bool
    """Whether the order is known to be placed."""
    version: int
    lines: tuple[HeldLine, ...]

    def on_paid(self, order_version: int) -> HoldState | None:
        """The move that a payment asks for; None when it changes nothing.

        :raises HoldCannotMove: the hold has ended.
        """
        if order_version < self.order_version or self.state is HoldState.COMMITTED:
            return None
        return self._move(HoldState.COMMITTED)

    def on_ended(self, order_version: int) -> HoldState | None:
        """The move that a cancelled order, or one never placed, asks for; None when it changes nothing."""
        if order_version < self.order_version or not MOVES[self.state]:
            return None
        return self._move(HoldState.RELEASED if self.state is HoldState.HELD else HoldState.RETURNED)

    def _move(self, after: HoldState) -> HoldState:
        if after not in MOVES[self.state]:
            raise HoldCannotMove(before=self.state, after=after)
        return after

    def moved(self, to: HoldState, levels: tuple[Level, ...], *, at: datetime) -> HoldEvent:
        """The fact of a move that was made."""
        return EFFECTS[to].fact(
            order_id=self.order_id, version=self.version + 1, at=at, lines=self.lines, levels=levels
        )


@dataclass(frozen=True, kw_only=True)
class Change:
    """What is asked of a level: a count (`on_hand`) or a difference (`adjust_by`), never both."""

    product_id: UUID
    on_hand: int | None = None
    adjust_by: int | None = None
    reason: str
    if_version: int | None = None
    """The version that the caller saw; None means any, 0 a product without a level yet."""

    def of(self, level: Level) -> int:
        """The difference that it makes to this level, in units.

        :raises LevelStale: the level is not at `if_version`.
        :raises BelowReserved: less would be on hand than is reserved.
        :raises LevelInvalid: the count or the level after it is absurd.
        """
        if self.if_version not in (None, level.version):
            raise LevelStale(level)
        after = self.on_hand if self.on_hand is not None else level.on_hand + (self.adjust_by or 0)
        if after > LARGEST_LEVEL:
            raise LevelInvalid
        if after < level.reserved:
            raise BelowReserved(level)
        return after - level.on_hand
