"""What search follows: every product once, and from the same snapshot on every change of one.

A transaction that commits late has a lower id than some that were read already, so readers stay below the oldest
transaction in flight and go on by (transaction, serial).
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, LiteralString
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.product.store.catalogue import Catalogue

CHANGES_AT_ONCE = 2000
_ROWS_AT_ONCE = 500

_HORIZON: LiteralString = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS xid"
_INDEXED: LiteralString = """
SELECT p.id, p.sku, p.name, p.description, p.price_minor, p.currency, p.category, p.brand, p.gtin,
       p.attributes::text AS attributes, p.is_active, p.created_at, coalesce(a.available > 0, false) AS in_stock
FROM product p LEFT JOIN availability a ON a.product_id = p.id
"""
_CHANGES: LiteralString = """
SELECT xid::text AS xid, id, product_id FROM product_change
WHERE (xid, id) > (%s::xid8, %s) AND xid < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY xid, id LIMIT %s
"""
_PRUNE = text("DELETE FROM product_change WHERE at < now() - make_interval(hours => :hours)")


@dataclass(frozen=True, kw_only=True)
class Position:
    """How far a reader has come."""

    xid: str
    id: int


@dataclass(frozen=True, kw_only=True)
class Changes:
    """The products that changed since a position, and the position after them."""

    product_ids: frozenset[UUID]
    position: Position
    is_full: bool
    """Whether there may be more at once."""


@asynccontextmanager
async def snapshot(
    catalogue: Catalogue,
) -> AsyncIterator[tuple[Position, AsyncIterator[Sequence[dict[str, Any]]]]]:
    """The position of a snapshot and, in batches, every active product in it."""
    async with catalogue.connection() as connection, connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        horizon = await (await connection.execute(_HORIZON)).fetchone()
        async with connection.cursor("every_product") as cursor:
            await cursor.execute(_INDEXED + "WHERE p.is_active")
            yield Position(xid=(horizon or {})["xid"], id=0), _batches(cursor)


async def _batches(cursor: Any) -> AsyncIterator[Sequence[dict[str, Any]]]:  # noqa: ANN401 - a server's cursor
    while rows := await cursor.fetchmany(_ROWS_AT_ONCE):
        yield rows


async def since(catalogue: Catalogue, position: Position) -> Changes:
    """What changed after a position, of all that has certainly committed."""
    async with catalogue.connection() as connection:
        rows = await (await connection.execute(_CHANGES, [position.xid, position.id, CHANGES_AT_ONCE])).fetchall()
    last = Position(xid=rows[-1]["xid"], id=rows[-1]["id"]) if rows else position
    changed = frozenset(row["product_id"] for row in rows)
    return Changes(product_ids=changed, position=last, is_full=len(rows) == CHANGES_AT_ONCE)


async def products(catalogue: Catalogue, product_ids: Sequence[UUID]) -> Sequence[dict[str, Any]]:
    """Products as search keeps them, inactive ones included."""
    async with catalogue.connection() as connection:
        return await (await connection.execute(_INDEXED + "WHERE p.id = ANY(%s)", [list(product_ids)])).fetchall()


async def prune(session: AsyncSession, *, hours: int) -> None:
    """Forget changes that every reader has long seen."""
    await session.execute(_PRUNE, {"hours": hours})
