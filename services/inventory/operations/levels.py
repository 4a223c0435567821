"""Counting, adjusting and opening levels."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.contracts.events import Level, OpeningLevel, StockSet
from services.inventory import store
from services.inventory.domain import Change
from services.shared import outbox
from services.shared.failpoints import failpoint


async def read(session: AsyncSession, product_ids: Sequence[UUID]) -> tuple[Level, ...]:
    """The levels of those products that have one, sorted by product."""
    return await store.levels(session, product_ids)


async def change(session: AsyncSession, asked: Change, *, by: str, at: datetime) -> Level:
    """Count or adjust a product's stock on hand; its level begins here when it has none. Answers the level after it.

    :raises LevelStale: the level is not at the version that the caller saw.
    :raises BelowReserved: less would be on hand than is reserved.
    :raises LevelInvalid: the count or the level after it is absurd.
    """
    (before,) = await store.lock_levels(session, [asked.product_id])
    difference = asked.of(before)
    level = await store.book(session, asked, difference, actor=by, at=at)
    outbox.add(session, _set(level, difference, asked.reason, at))
    failpoint("level.changed.before_commit")
    return level


async def open_stock(session: AsyncSession, declared: Sequence[OpeningLevel], *, by: str, at: datetime) -> None:
    """Book what products open with, declared at this moment: once for each, unless something was booked for it before.

    An adjustment made since adds to it, whichever is booked first; a count made since has counted it already.
    """
    once = {one.product_id: one for one in reversed(declared)}
    await store.lock_levels(session, list(once))
    opened = await store.open_levels(session, list(once.values()), actor=by, at=at)
    outbox.add(session, *(_set(level, once[level.product_id].on_hand, "opening stock", at) for level in opened))
    failpoint("level.opened.before_commit")


def _set(level: Level, change: int, reason: str, at: datetime) -> StockSet:
    return StockSet(
        product_id=level.product_id, version=level.version, at=at, change=change, reason=reason, levels=(level,)
    )
