"""How a product is written into the search index."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from services.product.documents import document

ROW: dict[str, Any] = {
    "id": UUID(int=7),
    "sku": "LAMP-1",
    "name": "Desk Lamp",
    "description": "Warm light",
    "price_minor": 3990,
    "currency": "EUR",
    "brand": "Lumen",
    "category": "home/lighting",
    "gtin": ["4006381333931"],
    "attributes": json.dumps(
        {"model": "DL-1", "plug_type": "C", "watts": 7.0, "weight": 1.5, "smart": False, "led": True}
    ),
    "created_at": datetime(2026, 11, 23, tzinfo=UTC),
    "in_stock": True,
}


def test_a_product_is_found_by_what_it_says_of_itself() -> None:
    found = document(ROW)

    assert found["text"] == "Desk Lamp Lumen Warm light"
    assert found["details"] == "model DL-1 plug type C watts 7.0 weight 1.5 led True"
    assert found["code"] == ["lamp-1", "4006381333931", "dl-1"]
    assert found["attribute"] == ["model=dl-1", "plug_type=c", "watts=7", "weight=1.5", "smart=false", "led=true"]
    assert found["category_path"] == ["home", "home/lighting"]
    assert (found["price"], found["brand_key"]) == (39_900, "lumen")


def test_what_a_product_lacks_is_left_out() -> None:
    found = document(ROW | {"brand": None, "category": None, "attributes": "{}"})

    assert (found["brand"], found["brand_key"], found["category"], found["category_path"]) == ([], [], [], [])
