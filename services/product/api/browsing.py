"""Visitors list, find and look at products."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from starlette.responses import Response

from services.product import views
from services.product.api.dependencies import TAGS, OwnCatalogue
from services.product.operations import browsing
from services.product.preconditions import IfNoneMatch, is_fresh, product_tag
from services.product.shapes import Card, Categories, ProductShown
from services.product.store.catalogue import Row, Sort
from services.shared.identity import Anyone
from services.shared.pages import Cursor, Limit, Page

router = APIRouter(tags=list(TAGS))

JSON = "application/json"

CategoryFilter = Annotated[str | None, Query(max_length=200, description="A category; what is below it counts too.")]


@router.get("/products", summary="List products", response_model=Page[Card])
async def list_products(
    _: Anyone,
    catalogue: OwnCatalogue,
    category: CategoryFilter = None,
    sort: Sort = Sort.NEWEST,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Response:
    """Every active product, page by page."""
    listed = await browsing.list_products(catalogue, category=category, sort=sort, cursor=cursor, limit=limit)
    return Response(views.page(listed.cards, listed.next_cursor), media_type=JSON)


@router.get("/categories", summary="The tree of categories", response_model=Categories)
async def list_categories(_: Anyone, catalogue: OwnCatalogue) -> Response:
    """Every category that has products, flat; `parent` makes the tree."""
    items = await browsing.browse_categories(catalogue)
    return Response(views.dumps({"items": items}), media_type=JSON)


@router.get(
    "/products/{product_id}",
    summary="A product",
    response_model=ProductShown,
    responses={304: {"description": "As the client has it already."}},
)
async def get_product(
    product_id: UUID, _: Anyone, catalogue: OwnCatalogue, if_none_match: IfNoneMatch = None
) -> Response:
    """A product with everything that is known of it; one that is no longer sold says so in `is_active`."""
    row = await catalogue.product(product_id)
    tag = product_tag(row["version"], row["available"])
    if is_fresh(if_none_match, tag):
        return Response(status_code=304, headers={"ETag": tag})
    return shown(row, tag)


def shown(row: Row, tag: str, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """The answer that shows a product."""
    return Response(views.product(row), status, {"ETag": tag} | (headers or {}), JSON)
