"""Every SQL statement on stock. Levels are locked in the order of their product ids, so that no two can deadlock."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.contracts.events import HeldLine, Level, OpeningLevel
from services.inventory.domain import (
    ASKED_AFTER,
    EFFECTS,
    FOLLOWED_AFTER,
    PAID_FOLLOWED_AFTER,
    PAID_FOLLOWED_WITHIN,
    Change,
    Hold,
    HoldState,
    HoldUnknown,
)

_HOLD = text("""
WITH asked AS MATERIALIZED (
    SELECT product_id, quantity
    FROM unnest(CAST(:product_ids AS uuid[]), CAST(:quantities AS bigint[])) AS line (product_id, quantity)
    WHERE NOT EXISTS (SELECT FROM hold WHERE order_id = :order_id)
), locked AS MATERIALIZED (
    SELECT level.product_id, asked.quantity
    FROM stock_level AS level JOIN asked USING (product_id)
    WHERE level.on_hand - level.reserved >= asked.quantity
    ORDER BY level.product_id
    FOR NO KEY UPDATE OF level
), held AS (
    INSERT INTO hold (order_id, user_id, state, order_version, confirmed, version, held_at, ask_at)
    SELECT :order_id, :user_id, 'held', 0, false, 1, :at, :ask_at
    WHERE (SELECT count(*) FROM locked) = cardinality(CAST(:product_ids AS uuid[]))
    ON CONFLICT DO NOTHING
    RETURNING order_id
), changed AS (
    UPDATE stock_level AS level SET reserved = level.reserved + locked.quantity, version = level.version + 1
    FROM locked, held
    WHERE level.product_id = locked.product_id
    RETURNING level.product_id, level.on_hand, level.reserved, level.version, locked.quantity
), lines AS (
    INSERT INTO hold_line (order_id, product_id, quantity) SELECT :order_id, product_id, quantity FROM changed
), entries AS (
    INSERT INTO stock_entry (product_id, order_id, kind, on_hand_change, reserved_change, actor, at)
    SELECT product_id, :order_id, 'held', 0, quantity, :actor, :at FROM changed
)
SELECT product_id, on_hand, reserved, version FROM changed ORDER BY product_id
""")
_SHORT = text("""
SELECT product_id, quantity AS requested, coalesce(on_hand - reserved, 0) AS available
FROM unnest(CAST(:product_ids AS uuid[]), CAST(:quantities AS bigint[])) AS line (product_id, quantity)
LEFT JOIN stock_level USING (product_id)
WHERE coalesce(on_hand - reserved, 0) < quantity
ORDER BY product_id
""")
_FIND = """
SELECT order_id, user_id, state, order_version, confirmed, version,
    ARRAY(SELECT product_id FROM hold_line WHERE order_id = hold.order_id ORDER BY product_id) AS product_ids,
    ARRAY(SELECT quantity FROM hold_line WHERE order_id = hold.order_id ORDER BY product_id) AS quantities
FROM hold WHERE order_id = :order_id
"""
_FIND_HOLD = text(_FIND)
_LOCK_HOLD = text(_FIND + "FOR NO KEY UPDATE")
_CONFIRM = text("""
UPDATE hold SET confirmed = true, ask_at = NULL, order_version = greatest(order_version, :order_version),
    follow_at = coalesce(follow_at, CASE WHEN state = 'held' THEN :follow_at END)
WHERE order_id = :order_id
RETURNING order_id
""")
_MOVE = text("""
WITH locked AS MATERIALIZED (
    SELECT level.product_id, line.quantity
    FROM stock_level AS level JOIN hold_line AS line USING (product_id)
    WHERE line.order_id = :order_id
    ORDER BY level.product_id
    FOR NO KEY UPDATE OF level
), changed AS (
    UPDATE stock_level AS level SET
        on_hand = level.on_hand + :on_hand * locked.quantity,
        reserved = level.reserved + :reserved * locked.quantity,
        version = level.version + 1
    FROM locked
    WHERE level.product_id = locked.product_id
    RETURNING level.product_id, level.on_hand, level.reserved, level.version, locked.quantity
), entries AS (
    INSERT INTO stock_entry (product_id, order_id, kind, on_hand_change, reserved_change, actor, at)
    SELECT product_id, :order_id, :state, :on_hand * quantity, :reserved * quantity, :actor, :at FROM changed
), moved AS (
    UPDATE hold SET state = :state, version = version + 1, ask_at = NULL, follow_at = :follow_at,
        order_version = greatest(order_version, :order_version)
    WHERE order_id = :order_id
)
SELECT product_id, on_hand, reserved, version FROM changed ORDER BY product_id
""")
_CLAIM = text("""
UPDATE hold SET ask_at = :again_at
WHERE order_id = (
    SELECT order_id FROM hold WHERE ask_at <= :now ORDER BY ask_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
)
RETURNING order_id
""")
_CLAIM_FOLLOWED = text("""
UPDATE hold SET follow_at = :again_at
WHERE order_id = (
    SELECT order_id FROM hold WHERE follow_at <= :now ORDER BY follow_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED
)
RETURNING order_id
""")
_PUT_OFF = text("""
UPDATE hold SET follow_at = :now + least(greatest(:now - held_at, :after), :within)
WHERE order_id = :order_id AND state = 'committed'
""")
_FOLLOW_NO_MORE = text("UPDATE hold SET follow_at = NULL WHERE order_id = :order_id AND state = 'committed'")
_LEVELS = text("""
SELECT product_id, on_hand, reserved, version FROM stock_level
WHERE product_id = ANY(CAST(:product_ids AS uuid[])) ORDER BY product_id
""")
_LOCK_LEVELS = text("""
INSERT INTO stock_level (product_id, on_hand, reserved, version)
SELECT product_id, 0, 0, 0 FROM unnest(CAST(:product_ids AS uuid[])) AS asked (product_id) ORDER BY product_id
ON CONFLICT (product_id) DO UPDATE SET version = stock_level.version
RETURNING product_id, on_hand, reserved, version
""")
_BOOK = text("""
WITH changed AS (
    UPDATE stock_level SET on_hand = on_hand + :difference, version = version + 1 WHERE product_id = :product_id
    RETURNING product_id, on_hand, reserved, version
), entry AS (
    INSERT INTO stock_entry (product_id, kind, on_hand_change, reserved_change, reason, actor, at)
    VALUES (:product_id, :kind, :difference, 0, :reason, :actor, :at)
)
SELECT product_id, on_hand, reserved, version FROM changed
""")
_OPEN = text("""
WITH opened AS (
    UPDATE stock_level AS level SET on_hand = level.on_hand + declared.on_hand, version = level.version + 1
    FROM unnest(CAST(:product_ids AS uuid[]), CAST(:on_hand AS bigint[])) AS declared (product_id, on_hand)
    WHERE level.product_id = declared.product_id AND NOT EXISTS (
        SELECT FROM stock_entry AS entry
        WHERE entry.product_id = declared.product_id AND (entry.kind IN ('opening', 'counted') OR entry.at < :at)
    )
    RETURNING level.product_id, level.on_hand, level.reserved, level.version, declared.on_hand AS opening
), entries AS (
    INSERT INTO stock_entry (product_id, kind, on_hand_change, reserved_change, actor, at)
    SELECT product_id, 'opening', opening, 0, :actor, :at FROM opened
)
SELECT product_id, on_hand, reserved, version FROM opened ORDER BY product_id
""")


async def hold(
    session: AsyncSession, order_id: UUID, *, user_id: UUID, lines: Sequence[HeldLine], actor: str, at: datetime
) -> tuple[Level, ...]:
    """Hold all lines or nothing, in one statement; answers the levels after it, none when it could not be done."""
    values = {"order_id": order_id, "user_id": user_id, "actor": actor, "at": at, "ask_at": at + ASKED_AFTER}
    return _levels(await session.execute(_HOLD, values | _columns(lines)))


async def short(session: AsyncSession, lines: Sequence[HeldLine]) -> Sequence[Any]:
    """The lines that ask for more than there is, with what there is (`product_id`, `requested`, `available`)."""
    return (await session.execute(_SHORT, _columns(lines))).all()


async def find_hold(session: AsyncSession, order_id: UUID) -> Hold | None:
    """An order's hold as it stands."""
    row = (await session.execute(_FIND_HOLD, {"order_id": order_id})).mappings().one_or_none()
    return _hold(row) if row else None


async def lock_hold(session: AsyncSession, order_id: UUID) -> Hold:
    """An order's hold, locked.

    :raises HoldUnknown: there is none.
    """
    row = (await session.execute(_LOCK_HOLD, {"order_id": order_id})).mappings().one_or_none()
    if row is None:
        raise HoldUnknown
    return _hold(row)


async def confirm(session: AsyncSession, order_id: UUID, *, order_version: int, at: datetime) -> None:
    """Write down that the order is placed, at this version or a later one.

    :raises HoldUnknown: there is no hold for it.
    """
    values = {"order_id": order_id, "order_version": order_version, "follow_at": at + FOLLOWED_AFTER}
    if await session.scalar(_CONFIRM, values) is None:
        raise HoldUnknown


async def move(
    session: AsyncSession, order_id: UUID, to: HoldState, *, order_version: int, actor: str, at: datetime
) -> tuple[Level, ...]:
    """Move a locked hold and all its levels; answers the levels after it."""
    effect = EFFECTS[to]
    values = {"order_id": order_id, "state": to, "order_version": order_version, "actor": actor, "at": at}
    values |= {"follow_at": at + PAID_FOLLOWED_AFTER if to is HoldState.COMMITTED else None}
    return _levels(await session.execute(_MOVE, values | {"on_hand": effect.on_hand, "reserved": effect.reserved}))


async def claim_followed(session: AsyncSession, *, now: datetime, again_at: datetime) -> UUID | None:
    """The order of one placed hold that is due to be asked about, put off until `again_at`."""
    found: UUID | None = await session.scalar(_CLAIM_FOLLOWED, {"now": now, "again_at": again_at})
    return found


async def put_off(session: AsyncSession, order_id: UUID, *, now: datetime) -> None:
    """Let a committed hold be asked about again when it is twice as old."""
    values = {"after": PAID_FOLLOWED_AFTER, "within": PAID_FOLLOWED_WITHIN}
    await session.execute(_PUT_OFF, values | {"order_id": order_id, "now": now})


async def follow_no_more(session: AsyncSession, order_id: UUID) -> None:
    """Let nobody ask about a committed hold again: what has left is cancelled no more."""
    await session.execute(_FOLLOW_NO_MORE, {"order_id": order_id})


async def claim_due(session: AsyncSession, *, now: datetime, again_at: datetime) -> UUID | None:
    """The order of one unplaced hold that is due to be asked about, put off until `again_at`."""
    found: UUID | None = await session.scalar(_CLAIM, {"now": now, "again_at": again_at})
    return found


async def levels(session: AsyncSession, product_ids: Sequence[UUID]) -> tuple[Level, ...]:
    """The levels of those products that have one."""
    return _levels(await session.execute(_LEVELS, {"product_ids": list(product_ids)}))


async def lock_levels(session: AsyncSession, product_ids: Sequence[UUID]) -> tuple[Level, ...]:
    """Products' levels, locked; an empty one of version 0 is there until the transaction ends where there was none."""
    return _levels(await session.execute(_LOCK_LEVELS, {"product_ids": list(product_ids)}))


async def book(session: AsyncSession, change: Change, difference: int, *, actor: str, at: datetime) -> Level:
    """Book a difference on a locked level; answers the level after it."""
    kind = "adjusted" if change.on_hand is None else "counted"
    values = {"product_id": change.product_id, "difference": difference, "kind": kind}
    return _levels(await session.execute(_BOOK, values | {"reason": change.reason, "actor": actor, "at": at}))[0]


async def open_levels(
    session: AsyncSession, declared: Sequence[OpeningLevel], *, actor: str, at: datetime
) -> tuple[Level, ...]:
    """Add to the locked levels on which nothing was booked before and nothing counted since; answers those."""
    columns = {"product_ids": [one.product_id for one in declared], "on_hand": [one.on_hand for one in declared]}
    return _levels(await session.execute(_OPEN, columns | {"actor": actor, "at": at}))


def _columns(lines: Sequence[HeldLine]) -> dict[str, Any]:
    return {"product_ids": [line.product_id for line in lines], "quantities": [line.quantity for line in lines]}


def _levels(rows: Any) -> tuple[Level, ...]:  # noqa: ANN401 - a result of four columns
    return tuple(
        Level.model_construct(product_id=product_id, on_hand=on_hand, reserved=reserved, version=version)
        for product_id, on_hand, reserved, version in rows
    )


def _hold(row: Any) -> Hold:  # noqa: ANN401 - a row
    pairs = zip(row["product_ids"], row["quantities"], strict=True)
    lines = tuple(HeldLine(product_id=product_id, quantity=quantity) for product_id, quantity in pairs)
    columns = {name: row[name] for name in ("order_id", "user_id", "order_version", "confirmed", "version")}
    return Hold(**columns, state=HoldState(row["state"]), lines=lines)
