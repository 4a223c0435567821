"""Holding stock for orders, and following what becomes of them."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import psycopg
import sqlalchemy.exc
from sqlalchemy.ext.asyncio import AsyncSession

from services.contracts.events import HeldLine, Level, StockHeld
from services.inventory import store
from services.inventory.domain import Hold, HoldState, StockContended
from services.shared import outbox
from services.shared.database import Database
from services.shared.failpoints import failpoint

_TRIES = 5


class Outcome(StrEnum):
    """What became of a reservation."""

    HELD = "HELD"
    INSUFFICIENT = "INSUFFICIENT"
    OTHER_LINES = "OTHER_LINES"
    RELEASED = "RELEASED"


@dataclass(frozen=True, kw_only=True)
class Shortage:
    """A line that asks for more than is available, in units."""

    product_id: UUID
    requested: int
    available: int


@dataclass(frozen=True, kw_only=True)
class Reservation:
    """Lines to be held for an order, merged and sorted (`domain.merged`)."""

    order_id: UUID
    user_id: UUID
    lines: tuple[HeldLine, ...]
    actor: str


@dataclass(frozen=True, kw_only=True)
class Reserved:
    """The answer to a reservation."""

    outcome: Outcome
    shortages: tuple[Shortage, ...] = ()


async def reserve(database: Database, asked: Reservation, *, at: datetime) -> Reserved:
    """Hold all lines for an order or nothing. The same reservation again answers the same, whatever is left by then.

    :raises StockContended: the levels kept changing between the attempts.
    """
    for _ in range(_TRIES):
        try:
            answer = await _attempt(database, asked, at)
        except sqlalchemy.exc.OperationalError as error:
            if not isinstance(error.orig, psycopg.errors.DeadlockDetected):
                raise
            answer = None
        if answer is not None:
            return answer
    raise StockContended


async def _attempt(database: Database, asked: Reservation, at: datetime) -> Reserved | None:
    async with database.begin() as session:
        levels = await store.hold(
            session, asked.order_id, user_id=asked.user_id, lines=asked.lines, actor=asked.actor, at=at
        )
        if levels:
            outbox.add(session, _held(asked, levels, at))
            failpoint("hold.written.before_commit")
    if not levels:
        return await _why_not(database, asked)
    failpoint("hold.made.before_answer")
    return Reserved(outcome=Outcome.HELD)


async def _why_not(database: Database, asked: Reservation) -> Reserved | None:
    """Looked up in a new transaction, which sees the winner of a race; None when there is enough by now."""
    async with database.begin() as session:
        hold = await store.find_hold(session, asked.order_id)
        if hold is not None:
            return Reserved(outcome=_again(hold, asked))
        found = await store.short(session, asked.lines)
    shortages = tuple(
        Shortage(product_id=row.product_id, requested=row.requested, available=row.available) for row in found
    )
    return Reserved(outcome=Outcome.INSUFFICIENT, shortages=shortages) if shortages else None


def _again(hold: Hold, asked: Reservation) -> Outcome:
    if (hold.user_id, hold.lines) != (asked.user_id, asked.lines):
        return Outcome.OTHER_LINES
    return Outcome.RELEASED if hold.state in {HoldState.RELEASED, HoldState.RETURNED} else Outcome.HELD


def _held(asked: Reservation, levels: tuple[Level, ...], at: datetime) -> StockHeld:
    return StockHeld(order_id=asked.order_id, version=1, at=at, lines=asked.lines, levels=levels)


async def confirm(session: AsyncSession, order_id: UUID, *, order_version: int, at: datetime) -> None:
    """Note that the order is placed: nobody needs to be asked about its hold any more.

    :raises HoldUnknown: there is no hold for it.
    """
    await store.confirm(session, order_id, order_version=order_version, at=at)
    failpoint("hold.confirmed.before_commit")


async def commit(
    session: AsyncSession, order_id: UUID, *, order_version: int, actor: str, at: datetime
) -> HoldState | None:
    """Take the held units out of the stock: the order is paid. Answers the move, None when nothing changed.

    :raises HoldUnknown: there is no hold for it.
    :raises HoldCannotMove: the hold has ended.
    """
    hold = await store.lock_hold(session, order_id)
    return await _move(session, hold, hold.on_paid(order_version), order_version, actor, at)


async def release(
    session: AsyncSession, order_id: UUID, *, order_version: int, actor: str, at: datetime
) -> HoldState | None:
    """Make the held units available again, or put committed ones back on hand. Answers the move, None if there is none.

    :raises HoldUnknown: there is no hold for it.
    """
    hold = await store.lock_hold(session, order_id)
    return await _move(session, hold, hold.on_ended(order_version), order_version, actor, at)


async def _move(
    session: AsyncSession, hold: Hold, to: HoldState | None, order_version: int, actor: str, at: datetime
) -> HoldState | None:
    if to is None:
        return None
    levels = await store.move(session, hold.order_id, to, order_version=order_version, actor=actor, at=at)
    outbox.add(session, hold.moved(to, levels, at=at))
    failpoint("hold.moved.before_commit")
    return to
