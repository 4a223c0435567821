"""Who shops, and with what: dependencies of the order and the cart routes."""

import secrets
from typing import Annotated

from fastapi import Depends, Header, Response

from services.order.clients import Inventory
from services.order.operations.cart import Shop, Shopper
from services.order.operations.checkout import OPERATION, Command, Desk
from services.shared.idempotency import Fingerprint, IdempotencyKey, command_id
from services.shared.identity import Customer, Visitor
from services.shared.runtime import OwnDatabase, OwnSidecar, part

CART_TOKEN = "X-Cart-Token"  # noqa: S105 - a header's name

CartToken = Annotated[
    str | None,
    Header(
        alias=CART_TOKEN,
        pattern="^[A-Za-z0-9_-]{16,128}$",
        description="A guest's cart, as an earlier answer named it.",
    ),
]


async def _shopper(visitor: Visitor, token: CartToken = None) -> Shopper:
    return Shopper(user_id=visitor.id if visitor else None, guest_token=token)


AnyShopper = Annotated[Shopper, Depends(_shopper)]
"""A customer, a guest, or both at once."""


async def _filling(shopper: AnyShopper, response: Response) -> Shopper:
    if shopper.key is not None:
        return shopper
    token = secrets.token_urlsafe(32)
    response.headers[CART_TOKEN] = token
    return Shopper(user_id=None, guest_token=token)


FillingShopper = Annotated[Shopper, Depends(_filling)]
"""Somebody who puts something in a cart: a guest without one is given a token for it, in the answer's header."""


async def _shop(sidecar: OwnSidecar, database: OwnDatabase) -> Shop:
    return Shop(sidecar=sidecar, database=database)


OwnShop = Annotated[Shop, Depends(_shop)]


async def _desk(
    sidecar: OwnSidecar, database: OwnDatabase, inventory: Annotated[Inventory, Depends(part(Inventory))]
) -> Desk:
    return Desk(sidecar=sidecar, database=database, inventory=inventory)


OwnDesk = Annotated[Desk, Depends(_desk)]


async def _command(customer: Customer, key: IdempotencyKey, fingerprint: Fingerprint) -> Command:
    return Command(order_id=command_id(customer.id, OPERATION, key), fingerprint=fingerprint)


PlaceCommand = Annotated[Command, Depends(_command)]
"""The identity of a request to place an order."""
