"""How products are written as JSON: bytes at once, because these are the answers that are asked for most."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from services.contracts.money import Money


def card(row: Mapping[str, Any]) -> dict[str, Any]:
    """A product in a list."""
    available = row["available"]
    return {
        "id": str(row["id"]),
        "sku": row["sku"],
        "name": row["name"],
        "brand": row["brand"],
        "category": row["category"],
        "price": {"amount": Money.of(row["price_minor"], row["currency"]).amount, "currency": row["currency"]},
        "images": row["images"],
        "availability": {"in_stock": bool(available and available > 0), "available": available},
    }


def product(row: Mapping[str, Any]) -> bytes:
    """A whole product; its attributes come as JSON from the database and stay so."""
    known = card(row) | {
        "description": row["description"],
        "gtin": row["gtin"],
        "is_active": row["is_active"],
        "version": row["version"],
        "created_at": _time(row["created_at"]),
        "updated_at": _time(row["updated_at"]),
    }
    return f'{dumps(known)[:-1]},"attributes":{row["attributes"]}}}'.encode()


def page(cards: Iterable[Mapping[str, Any]], next_cursor: str | None, **more: Any) -> bytes:  # noqa: ANN401 - any JSON
    """A page of cards."""
    return dumps({"items": list(map(card, cards)), "next_cursor": next_cursor, **more}).encode()


def dumps(found: Any) -> str:  # noqa: ANN401 - any JSON
    """Compact JSON."""
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"))


def _time(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
