"""Products are created, changed and deactivated by staff."""

from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.product.domain import Product, product_id_of
from services.product.preconditions import check_version
from services.product.shapes import ProductBody, ProductChangeBody
from services.product.store import products as store
from services.shared import outbox
from services.shared.failpoints import failpoint


async def create(session: AsyncSession, body: ProductBody, *, at: datetime) -> UUID:
    """Put a product into the catalogue and declare what it opens with; answers its id.

    :raises SkuTaken: there is a product with its SKU.
    """
    product = product_of(body, at=at)
    await store.insert(session, product)
    if body.on_hand is not None:
        outbox.add(session, product.opened_with(body.on_hand))
    failpoint("product.created.before_commit")
    return product.id


def product_of(body: ProductBody, *, at: datetime) -> Product:
    """The product that a body describes, in its first version."""
    return Product(
        id=product_id_of(body.sku),
        sku=body.sku,
        name=body.name,
        description=body.description or "",
        price=body.price,
        category=body.category,
        brand=body.brand,
        attributes=body.attributes,
        gtin=tuple(body.gtin),
        is_active=True,
        version=1,
        created_at=at,
        updated_at=at,
    )


async def change(
    session: AsyncSession, product_id: UUID, body: ProductChangeBody, *, if_match: str | None, at: datetime
) -> None:
    """Change the fields of a product that the body names.

    :raises NotFound: there is no such product.
    :raises VersionRequired: without a condition.
    :raises VersionStale: it is at another version than the caller saw.
    :raises SkuCannotChange: the body has another SKU.
    """
    product = await store.lock(session, product_id)
    check_version(if_match, product.version)
    changed = product.changed(_fields(body), at=at)
    await store.update(session, changed)
    if body.on_hand is not None:
        outbox.add(session, changed.opened_with(body.on_hand))
    failpoint("product.changed.before_commit")


def _fields(body: ProductChangeBody) -> dict[str, object]:
    named = {name: getattr(body, name) for name in body.model_fields_set - {"on_hand"}}
    if named.get("sku", "") is None:
        del named["sku"]
    if "description" in named:
        named["description"] = body.description or ""
    if "gtin" in named:
        named["gtin"] = tuple(body.gtin)
    return named


async def deactivate(session: AsyncSession, product_id: UUID, *, if_match: str | None, at: datetime) -> None:
    """Take a product out of lists and search; it stays readable, for orders name it. Doing so twice changes nothing.

    :raises NotFound: there is no such product.
    :raises VersionStale: a condition is given, and it is at another version.
    """
    product = await store.lock(session, product_id)
    if if_match is not None:
        check_version(if_match, product.version)
    if product.is_active:
        await store.update(session, product.changed({"is_active": False}, at=at))
