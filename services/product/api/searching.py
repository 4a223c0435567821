"""Visitors search."""

from decimal import Decimal
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from services.product import views
from services.product.api.browsing import JSON, CategoryFilter
from services.product.api.dependencies import TAGS, OwnCatalogue, OwnSearch
from services.product.operations.browsing import find_products
from services.product.search import FACETS, Wanted
from services.product.shapes import Found
from services.shared.errors import Invalid
from services.shared.identity import Anyone
from services.shared.pages import Cursor, InvalidCursor, Limit, decode_cursor

router = APIRouter(tags=list(TAGS))

_ATTRIBUTE = "attr."
_MOST_ATTRIBUTES = 20
_DEEPEST = 10_000

Amount = Annotated[str | None, Field(pattern=r"^\d{1,10}(\.\d{1,3})?$", description="An amount like `12.50`.")]


class UnknownFacet(Invalid):
    """Facets are {known}, separated by commas."""


class TooManyAttributes(Invalid):
    """A search filters by at most {most} attributes."""


class SearchSort(StrEnum):
    """The orders of search results; by relevance the best come first."""

    RELEVANCE = "relevance"
    NEWEST = "newest"
    NAME = "name"
    PRICE = "price"
    PRICE_DESCENDING = "-price"


class Filters(BaseModel):
    """What a search asks for; `attr.<name>=<value>` filters by an attribute too."""

    q: Annotated[str, Field(max_length=200, description="Words; the best matches come first.")] = ""
    category: CategoryFilter = None
    brand: Annotated[list[str], Field(max_length=20, description="One or more brands.")] = Field(default_factory=list)
    min_price: Amount = None
    max_price: Amount = None
    in_stock: Annotated[bool | None, Field(description="Only what can, or cannot, be bought now.")] = None
    sort: SearchSort = SearchSort.RELEVANCE
    facets: Annotated[str, Field(max_length=100, description="What to count by, comma-separated.")] = "brand,category"
    limit: Limit = 20
    cursor: Cursor = None


@router.get("/products/search", summary="Search products", response_model=Found)
async def search_products(
    _: Anyone, filters: Annotated[Filters, Query()], request: Request, catalogue: OwnCatalogue, search: OwnSearch
) -> Response:
    """Find products by words and filters; `attr.<name>=<value>` filters by an attribute."""
    wanted = Wanted(
        words=filters.q.strip(),
        category=filters.category,
        brands=filters.brand,
        min_price=_thousandths(filters.min_price),
        max_price=_thousandths(filters.max_price),
        in_stock=filters.in_stock,
        attributes=_attributes(request),
        sort=filters.sort,
        facets=_facets(filters.facets),
        offset=_offset(filters.cursor),
        limit=filters.limit,
    )
    listed, result = await find_products(catalogue, search, wanted)
    more = {"total": result.total, "facets": result.facets, "did_you_mean": None}
    return Response(views.page(listed.cards, listed.next_cursor, **more), media_type=JSON)


def _thousandths(amount: str | None) -> int | None:
    return int(Decimal(amount) * 1000) if amount is not None else None


def _attributes(request: Request) -> dict[str, str]:
    found = {
        name.removeprefix(_ATTRIBUTE): value
        for name, value in request.query_params.items()
        if name.startswith(_ATTRIBUTE)
    }
    if len(found) > _MOST_ATTRIBUTES:
        raise TooManyAttributes(most=_MOST_ATTRIBUTES)
    return found


def _facets(names: str) -> list[str]:
    found = [name.strip() for name in names.split(",") if name.strip()]
    if not set(found) <= set(FACETS):
        raise UnknownFacet(known=" and ".join(FACETS))
    return found


def _offset(cursor: str | None) -> int:
    (offset,) = decode_cursor(cursor, int) or (0,)
    if not 0 <= offset <= _DEEPEST:
        raise InvalidCursor
    return int(offset)
