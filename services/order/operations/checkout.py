"""Placing an order: once for each key, at today's prices, with its stock held."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import sqlalchemy.exc
from psycopg.errors import LockNotAvailable
from sqlalchemy.ext.asyncio import AsyncSession

from services.contracts.answers import PlacementOutcome
from services.contracts.events import OrderPlaced
from services.order import clients
from services.order.clients import Inventory
from services.order.domain.address import Address
from services.order.domain.cart import Cart, CartAlreadyOrdered, CartEmpty
from services.order.domain.order import CheckoutExpired, Order, lines_of
from services.order.store import orders, placements
from services.shared import outbox
from services.shared.database import Database
from services.shared.idempotency import RequestInProgress, check_fingerprint
from services.shared.identity import Principal
from services.shared.sidecar import Sidecar

OPERATION = "place-order"


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """A command to place an order. Its identity follows from the customer and their key."""

    order_id: UUID
    fingerprint: str
    customer: Principal
    address: Address
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What placing asks and where it writes."""

    database: Database
    sidecar: Sidecar
    inventory: Inventory


@dataclass(frozen=True, kw_only=True)
class Placed:
    """The order, and whether an earlier request with the same key had placed it."""

    order: Order
    is_replayed: bool


async def find_placed(database: Database, order_id: UUID, fingerprint: str) -> Placed | None:
    """The order that this command has placed, as it stands now.

    :raises IdempotencyKeyReused: the key came with another body then.
    :raises CheckoutExpired: inventory has given the stock back, which is final.
    """
    async with database.begin() as session:
        return await _find_placed(session, order_id, fingerprint)


async def _find_placed(session: AsyncSession, order_id: UUID, fingerprint: str) -> Placed | None:
    standing = await placements.find(session, order_id)
    if standing is None:
        return None
    if standing.outcome is PlacementOutcome.ABANDONED:
        raise CheckoutExpired
    check_fingerprint(standing.fingerprint or "", fingerprint)
    return Placed(order=await orders.get(session, order_id), is_replayed=True)


async def place(
    checkout: Checkout, wanted: list[tuple[UUID, int]], *, desk: Desk, cart_id: UUID | None = None
) -> Placed:
    """Price the wanted products, hold their stock, write the order. Every step may be repeated.

    :param wanted: product ids and units.
    :param cart_id: the cart that this orders, which no other order may.
    :raises UnknownProduct: naming the products that are not on sale.
    :raises MixedCurrencies: see `Order.place`, as `TotalTooLarge`.
    :raises InsufficientStock: naming the lines and what is left.
    :raises CheckoutExpired: inventory asked and was told that nobody had placed it.
    :raises CartAlreadyOrdered: another order was made from the cart meanwhile.
    :raises RequestInProgress: a request with the same key is writing for longer than 5 seconds.
    """
    products = await clients.prices(desk.sidecar, (product_id for product_id, _ in wanted))
    customer = checkout.customer
    order, fact = Order.place(
        checkout.order_id,
        user_id=customer.id,
        lines=lines_of(wanted, products),
        shipping_address=checkout.address,
        by=str(customer),
        at=checkout.at,
    )
    await desk.inventory.hold(order.id, order.lines, token=customer.token)
    return await _write(checkout, order, fact, database=desk.database, cart_id=cart_id)


async def place_from_cart(checkout: Checkout, cart: Cart, *, desk: Desk) -> Placed:
    """Order what is in a cart; a cart makes one order.

    :raises CartEmpty: there is nothing in it.
    :raises CartAlreadyOrdered: it was ordered under another key.
    """
    async with desk.database.begin() as session:
        earlier = await orders.find_order_of_cart(session, cart.cart_id)
        if earlier == checkout.order_id:
            return Placed(order=await orders.get(session, earlier), is_replayed=True)
    if earlier is not None:
        raise _already_ordered(earlier)
    if not cart.items:
        raise CartEmpty
    wanted = [(item.product_id, item.quantity) for item in cart.items]
    return await place(checkout, wanted, desk=desk, cart_id=cart.cart_id)


async def _write(
    checkout: Checkout, order: Order, fact: OrderPlaced, *, database: Database, cart_id: UUID | None
) -> Placed:
    try:
        async with database.begin() as session:
            placing = await orders.place(
                session, order, checkout.address, fingerprint=checkout.fingerprint, cart_id=cart_id
            )
            if placing.is_placed and not placing.is_ordered:
                raise _CartTaken
            if placing.is_ordered:
                outbox.add(session, fact)
                return Placed(order=order, is_replayed=False)
    except _CartTaken:
        raise await _who_ordered(database, cart_id) from None
    except sqlalchemy.exc.OperationalError as error:
        raise (RequestInProgress() if isinstance(error.orig, LockNotAvailable) else error) from error
    return await _winner(database, checkout)


class _CartTaken(Exception):
    """Rolls a placing back."""
