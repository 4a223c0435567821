"""Staff create, change and deactivate products."""

from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from services.product.api.browsing import shown
from services.product.api.dependencies import PUBLIC_ROOT, TAGS, OwnCatalogue
from services.product.operations import products
from services.product.preconditions import IfMatch, product_tag
from services.product.shapes import ProductBody, ProductChangeBody, ProductShown
from services.shared.database import Transaction
from services.shared.failpoints import failpoint
from services.shared.identity import Staff
from services.shared.runtime import Now, OwnDatabase

router = APIRouter(tags=list(TAGS))


@router.post("/products", summary="Create a product", status_code=201, response_model=ProductShown)
async def create_product(
    body: ProductBody, _: Staff, database: OwnDatabase, catalogue: OwnCatalogue, now: Now
) -> Response:
    """Put a product into the catalogue, with its opening stock when `on_hand` is given."""
    async with database.begin() as session:
        product_id = await products.create(session, body, at=now)
    failpoint("product.created.before_answer")
    location = f"{PUBLIC_ROOT}/products/{product_id}"
    return await _shown(catalogue, product_id, status=201, headers={"Location": location})


@router.put("/products/{product_id}", summary="Change a product", response_model=ProductShown)
async def change_product(
    product_id: UUID,
    body: ProductChangeBody,
    _: Staff,
    database: OwnDatabase,
    catalogue: OwnCatalogue,
    now: Now,
    if_match: IfMatch = None,
) -> Response:
    """Change what the body names; the rest stays. Needs `If-Match`."""
    async with database.begin() as session:
        await products.change(session, product_id, body, if_match=if_match, at=now)
    failpoint("product.changed.before_answer")
    return await _shown(catalogue, product_id)


@router.delete("/products/{product_id}", summary="Deactivate a product", status_code=204)
async def deactivate_product(
    product_id: UUID, _: Staff, session: Transaction, now: Now, if_match: IfMatch = None
) -> None:
    """Take a product out of lists and search; orders that name it can still show it."""
    await products.deactivate(session, product_id, if_match=if_match, at=now)


async def _shown(
    catalogue: OwnCatalogue, product_id: UUID, *, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    row = await catalogue.product(product_id)
    return shown(row, product_tag(row["version"], row["available"]), status=status, headers=headers)
