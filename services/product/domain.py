"""A product: what it is, what it costs, and how it changes. No I/O."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Self
from uuid import UUID, uuid5

from services.contracts.events import OpeningLevel, OpeningStockDeclared
from services.contracts.money import MINOR_DIGITS, Money
from services.shared.errors import Invalid

_NAMESPACE = UUID("6d1f3b0e-5c0f-5b58-9a7a-0d2a3c1b7e55")
_MOST_DIGITS = max(MINOR_DIGITS.values())

AttributeValue = str | int | float | bool


class SkuCannotChange(Invalid):
    """A product keeps its SKU {sku} for ever, its id is made of it."""


def product_id_of(sku: str) -> UUID:
    """The id of the product with this SKU.

    It follows from the SKU alone, so an import that is repeated, or comes before the product was created by hand, means
    the same product, and stock declared for it finds it without asking.
    """
    return uuid5(_NAMESPACE, sku)


def thousandths(minor: int, currency: str) -> int:
    """A price in thousandths of its currency's unit, so that currencies of 0, 2 and 3 digits share a scale."""
    scale: int = 10 ** (_MOST_DIGITS - MINOR_DIGITS[currency])
    return minor * scale


@dataclass(frozen=True, kw_only=True)
class Product:
    """A product of the catalogue."""

    id: UUID
    sku: str
    name: str
    description: str
    price: Money
    category: str | None
    brand: str | None
    attributes: Mapping[str, AttributeValue]
    gtin: tuple[str, ...]
    is_active: bool
    version: int
    created_at: datetime
    updated_at: datetime

    def changed(self, fields: Mapping[str, Any], *, at: datetime) -> Self:
        """The product with these fields instead of its own.

        :raises SkuCannotChange: another SKU is among them.
        """
        if fields.get("sku", self.sku) != self.sku:
            raise SkuCannotChange(sku=self.sku)
        return replace(self, **fields, version=self.version + 1, updated_at=at)

    def opened_with(self, on_hand: int) -> OpeningStockDeclared:
        """Its opening stock; inventory books it unless the product has been booked before."""
        declaration = uuid5(self.id, f"opening-stock/{self.version}")
        return opening_stock(declaration, [(self.id, on_hand)], at=self.updated_at)


def opening_stock(declaration_id: UUID, levels: Iterable[tuple[UUID, int]], *, at: datetime) -> OpeningStockDeclared:
    """The fact that these products open with these units."""
    opened = tuple(OpeningLevel(product_id=product_id, on_hand=on_hand) for product_id, on_hand in levels)
    return OpeningStockDeclared(version=1, at=at, declaration_id=declaration_id, levels=opened)
