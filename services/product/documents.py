"""How a product is written into the search index."""

import json
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Any

from services.product.domain import AttributeValue, thousandths

_LONGEST_TERM = 1000
_LONGEST_DETAIL = 500


def document(row: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a product, from its row with the attributes as JSON."""
    attributes: dict[str, AttributeValue] = json.loads(row["attributes"])
    brand, category = row["brand"], row["category"]
    return {
        "id": str(row["id"]),
        "text": " ".join(filter(None, (row["name"], brand, row["description"]))),
        "details": " ".join(_details(attributes)),
        "code": [row["sku"].lower(), *row["gtin"], str(attributes.get("model", "")).lower()],
        "brand": brand or [],
        "brand_key": brand.lower() if brand else [],
        "category": category or [],
        "category_path": list(accumulate(category.split("/"), "{}/{}".format)) if category else [],
        "attribute": [f"{name}={_wire(value)}".lower()[:_LONGEST_TERM] for name, value in attributes.items()],
        "name_key": row["name"].lower(),
        "price": thousandths(row["price_minor"], row["currency"]),
        "created": int(row["created_at"].timestamp() * 1_000_000),
        "in_stock": row["in_stock"],
    }


def _details(attributes: Mapping[str, AttributeValue]) -> Iterator[str]:
    """What the attributes say in words; what a product has not is left out."""
    for name, value in attributes.items():
        if value is not False:
            yield f"{name.replace('_', ' ')} {str(value)[:_LONGEST_DETAIL]}"


def _wire(value: AttributeValue) -> str:
    """A value as people type it into an address: `true`, `5`, `2.5`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
