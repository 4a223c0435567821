"""Carts of customers and guests."""

from uuid import UUID

from fastapi import APIRouter

from services.order.api.shapes import CartShape, QuantityBody
from services.order.api.shopping import AnyShopper, FillingShopper, OwnShop
from services.order.operations import cart

router = APIRouter(tags=["order"])


@router.get("/cart", summary="The cart at today's prices")
async def show_cart(shopper: AnyShopper, shop: OwnShop) -> CartShape:
    """Lines whose price has changed or that can't be had any more are flagged."""
    return CartShape.model_validate(await cart.show(shopper, shop=shop))


@router.put("/cart/items/{product_id}", summary="Have so many units of a product in the cart")
async def put_cart_item(product_id: UUID, body: QuantityBody, shopper: FillingShopper, shop: OwnShop) -> CartShape:
    """A guest without a cart is given a token for one in the `X-Cart-Token` header."""
    return CartShape.model_validate(await cart.put_item(shopper, product_id, body.quantity, shop=shop))


@router.delete("/cart/items/{product_id}", summary="Have none of a product in the cart")
async def remove_cart_item(product_id: UUID, shopper: AnyShopper, shop: OwnShop) -> CartShape:
    """Removing what is not there changes nothing."""
    return CartShape.model_validate(await cart.remove_item(shopper, product_id, shop=shop))


@router.delete("/cart", summary="Have nothing in the cart")
async def clear_cart(shopper: AnyShopper, shop: OwnShop) -> CartShape:
    """Clearing an empty cart changes nothing."""
    return CartShape.model_validate(await cart.clear(shopper, shop=shop))
