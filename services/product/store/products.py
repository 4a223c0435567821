"""Products: one at a time, locked, for staff who change them."""

from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.expression import bindparam

from services.contracts.money import Money
from services.product.domain import Product
from services.shared.errors import Conflict, NotFound

_INSERT = text("""
INSERT INTO product (id, sku, name, description, price_minor, currency, category, brand, attributes, gtin,
                     is_active, version, created_at, updated_at)
VALUES (:id, :sku, :name, :description, :price_minor, :currency, :category, :brand, :attributes, :gtin,
        :is_active, :version, :created_at, :updated_at)
ON CONFLICT DO NOTHING RETURNING id
""").bindparams(bindparam("attributes", type_=JSONB))
_LOCK = text("""
SELECT id, sku, name, description, price_minor, currency, category, brand, attributes, gtin,
       is_active, version, created_at, updated_at
FROM product WHERE id = :id FOR UPDATE
""")
_UPDATE = text("""
UPDATE product SET name = :name, description = :description, price_minor = :price_minor, currency = :currency,
       category = :category, brand = :brand, attributes = :attributes, gtin = :gtin, is_active = :is_active,
       version = :version, updated_at = :updated_at
WHERE id = :id
""").bindparams(bindparam("attributes", type_=JSONB))


class SkuTaken(Conflict):
    """Another product has the SKU {sku}."""


async def insert(session: AsyncSession, product: Product) -> None:
    """Write a new product.

    :raises SkuTaken: there is one with its SKU.
    """
    if await session.scalar(_INSERT, _row(product)) is None:
        raise SkuTaken(sku=product.sku)


async def lock(session: AsyncSession, product_id: UUID) -> Product:
    """A product, locked until the transaction ends.

    :raises NotFound: there is none.
    """
    found = (await session.execute(_LOCK, {"id": product_id})).mappings().one_or_none()
    if found is None:
        raise NotFound
    row = dict(found)
    price = Money.of(row.pop("price_minor"), row.pop("currency"))
    return Product(**row | {"price": price, "gtin": tuple(row["gtin"])})


async def update(session: AsyncSession, product: Product) -> None:
    """Write a product that is locked."""
    await session.execute(_UPDATE, _row(product))


def _row(product: Product) -> dict[str, Any]:
    return vars(product) | {
        "price_minor": product.price.minor,
        "currency": product.price.currency,
        "gtin": list(product.gtin),
        "attributes": dict(product.attributes),
    }
