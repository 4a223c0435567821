"""Filling carts and looking into them."""

from typing import Any
from uuid import UUID

import httpx2

from tests.service.order.shop import Shop

EMPTY: dict[str, Any] = {"items": [], "total_amount": None}


async def put(shop: Shop, product_id: UUID, quantity: Any = 1, by: dict[str, str] | None = None) -> httpx2.Response:
    headers = shop.ada if by is None else by
    return await shop.client.put(f"/cart/items/{product_id}", json={"quantity": quantity}, headers=headers)


async def show(shop: Shop, by: dict[str, str] | None = None) -> dict[str, Any]:
    answer = await shop.client.get("/cart", headers=shop.ada if by is None else by)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def guest_with(shop: Shop, product_id: UUID, quantity: int = 1) -> dict[str, str]:
    answer = await put(shop, product_id, quantity, by={})
    return {"X-Cart-Token": answer.headers["X-Cart-Token"]}


def units(cart: dict[str, Any]) -> dict[str, int]:
    return {item["name"]: item["quantity"] for item in cart["items"]}
