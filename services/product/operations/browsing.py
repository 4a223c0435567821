"""Visitors list, find and browse."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from services.product.indexing import Search
from services.product.search import Result, Wanted
from services.product.store.catalogue import Catalogue, Row, Sort
from services.shared.pages import decode_cursor, encode_cursor

_POSITIONS: Mapping[Sort, Any] = {
    Sort.NEWEST: ("created_at", datetime.fromisoformat),
    Sort.NAME: ("name", str),
    Sort.PRICE: ("price_minor", int),
    Sort.PRICE_DESCENDING: ("price_minor", int),
}


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A page of cards and the cursor of the next."""

    cards: Sequence[Row]
    next_cursor: str | None


async def list_products(
    catalogue: Catalogue, *, category: str | None, sort: Sort, cursor: str | None, limit: int
) -> Listed:
    """A page of the active products.

    :raises InvalidCursor: the cursor is of another list.
    """
    column, kind = _POSITIONS[sort]
    after = decode_cursor(cursor, kind, UUID)
    rows = await catalogue.listed(category=category, sort=sort, after=after, limit=limit + 1)
    shown = rows[:limit]
    more = encode_cursor(_wire(shown[-1][column]), str(shown[-1]["id"])) if len(rows) > limit else None
    return Listed(cards=shown, next_cursor=more)


def _wire(value: datetime | str | int) -> str | int:
    return value.isoformat() if isinstance(value, datetime) else value


async def find_products(catalogue: Catalogue, search: Search, wanted: Wanted) -> tuple[Listed, Result]:
    """A page of search results: found in the index, shown from the database."""
    result = await search.find(wanted)
    cards = await catalogue.cards(result.product_ids)
    reached = wanted.offset + len(result.product_ids)
    more = encode_cursor(reached) if reached < result.total else None
    return Listed(cards=cards, next_cursor=more), result


async def browse_categories(catalogue: Catalogue) -> Sequence[dict[str, Any]]:
    """Every category and those above it, with the products in and below each, parents first."""
    counts: dict[str, int] = {}
    for path, products in (await catalogue.categories()).items():
        steps = path.split("/")
        for depth in range(1, len(steps) + 1):
            above = "/".join(steps[:depth])
            counts[above] = counts.get(above, 0) + products
    return [_category(path, counts[path]) for path in sorted(counts, key=lambda path: path.split("/"))]


def _category(path: str, products: int) -> dict[str, Any]:
    parent, _, name = path.rpartition("/")
    return {"path": path, "name": name, "parent": parent or None, "products": products}
