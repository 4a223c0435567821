"""What visitors and other services read: single statements on connections of their own, without transactions."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from enum import StrEnum
from typing import Any, LiteralString
from uuid import UUID

from psycopg import AsyncConnection
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

from services.shared.connection import DEADLINES, Connection
from services.shared.errors import NotFound

Row = Mapping[str, Any]

_CARD: LiteralString = """
SELECT p.id, p.sku, p.name, p.brand, p.category, p.price_minor, p.currency, p.images, p.created_at, a.available
FROM product p LEFT JOIN availability a ON a.product_id = p.id
"""
_PRODUCT: LiteralString = """
SELECT p.id, p.sku, p.name, p.description, p.price_minor, p.currency, p.category, p.brand, p.gtin, p.images,
       p.attributes::text AS attributes, p.is_active, p.version, p.created_at, p.updated_at, a.available
FROM product p LEFT JOIN availability a ON a.product_id = p.id WHERE p.id = %s
"""
_PRICES: LiteralString = "SELECT id, sku, name, price_minor, currency, is_active FROM product WHERE id = ANY(%s)"
_CATEGORIES: LiteralString = """
SELECT category, count(*) AS products FROM product WHERE is_active AND category IS NOT NULL GROUP BY category
"""


class Sort(StrEnum):
    """The orders of a list."""

    NEWEST = "newest"
    NAME = "name"
    PRICE = "price"
    PRICE_DESCENDING = "-price"


_ORDERS: Mapping[Sort, tuple[LiteralString, LiteralString, LiteralString]] = {
    Sort.NEWEST: ("p.created_at", "<", "DESC"),
    Sort.NAME: ("p.name", ">", "ASC"),
    Sort.PRICE: ("p.price_minor", ">", "ASC"),
    Sort.PRICE_DESCENDING: ("p.price_minor", "<", "DESC"),
}


class Catalogue:
    """The catalogue as it is read."""

    def __init__(self, pool: AsyncConnectionPool[Connection[dict[str, Any]]]) -> None:
        """Read over a pool of connections that commit by themselves."""
        self._pool = pool

    async def product(self, product_id: UUID) -> Row:
        """A product, active or not, with what is available of it.

        :raises NotFound: there is none.
        """
        found = await self._all(_PRODUCT, [product_id])
        if not found:
            raise NotFound
        return found[0]

    async def prices(self, product_ids: Sequence[UUID]) -> Sequence[Row]:
        """The prices of those products that exist."""
        return await self._all(_PRICES, [list(product_ids)])

    async def categories(self) -> Mapping[str, int]:
        """Every category that an active product is in, with their number."""
        return {row["category"]: row["products"] for row in await self._all(_CATEGORIES, [])}

    async def cards(self, product_ids: Sequence[UUID]) -> Sequence[Row]:
        """The cards of those products that are active, in the order asked."""
        rows = await self._all(_CARD + "WHERE p.id = ANY(%s) AND p.is_active", [list(product_ids)])
        by_id = {row["id"]: row for row in rows}
        return [by_id[product_id] for product_id in product_ids if product_id in by_id]

    async def listed(
        self, *, category: str | None, sort: Sort, after: tuple[Any, UUID] | None, limit: int
    ) -> Sequence[Row]:
        """Up to `limit` cards of active products, beyond a position when that is given."""
        column, beyond, direction = _ORDERS[sort]
        query: LiteralString = _CARD + "WHERE p.is_active"
        values: list[Any] = []
        if category is not None:
            query += " AND (p.category = %s OR p.category LIKE %s)"
            values += [category, _escaped(category) + "/%"]
        if after is not None:
            query += f" AND ({column}, p.id) {beyond} (%s, %s)"
            values += after
        query += f" ORDER BY {column} {direction}, p.id {direction} LIMIT %s"
        return await self._all(query, [*values, limit])

    async def _all(self, query: LiteralString, values: Sequence[Any]) -> list[dict[str, Any]]:
        async with self._pool.connection() as connection:
            return await (await connection.execute(query, values)).fetchall()

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection[dict[str, Any]]]:
        """A connection for a reader that needs more than one statement."""
        async with self._pool.connection() as connection:
            yield connection


@asynccontextmanager
async def open_catalogue(url: str) -> AsyncIterator[Catalogue]:
    """The catalogue of the database at `url`; connections open when they are first needed."""
    pool = AsyncConnectionPool(
        url,
        connection_class=Connection[dict[str, Any]],
        kwargs={
            "autocommit": True,
            "row_factory": dict_row,
            "options": "-c timezone=UTC -c statement_timeout=10000",
            **DEADLINES,
        },
        min_size=1,
        max_size=6,
        timeout=5,
        open=False,
    )
    async with pool:
        yield Catalogue(pool)


def _escaped(prefix: str) -> str:
    return prefix.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
