"""Placing an order: once for each key, at today's prices, with its stock held."""

import asyncio
from collections.abc import Awaitable
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
from services.order.domain.cart import CartAlreadyOrdered, CartEmpty
from services.order.domain.lines import lines_of
from services.order.domain.order import CheckoutExpired, Order
from services.order.operations import cart
from services.order.operations.cart import Shop, Shopper
from services.order.store import orders, placements
from services.order.store.orders import Placing
from services.order.store.placements import Standing
from services.shared import outbox
from services.shared.database import Database
from services.shared.errors import Refusal, Unavailable
from services.shared.failpoints import failpoint
from services.shared.idempotency import RequestInProgress, check_fingerprint
from services.shared.identity import Principal
from services.shared.sidecar import Sidecar

OPERATION = "place-order"
SECONDS = 8.0
"""Whoever asks for an order waits for ten at the sidecar: two are left for looking up what a rival has placed."""


class PlacingTooSlow(Unavailable):
    """Placing the order took too long; try again with the same Idempotency-Key."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """The identity of a request to place an order: of the customer and their key, and what the request said."""

    order_id: UUID
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """A request to place an order."""

    command: Command
    customer: Principal
    address: Address
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What placing asks and where it writes, and how long that may take in all."""

    database: Database
    sidecar: Sidecar
    inventory: Inventory
    seconds: float = SECONDS


@dataclass(frozen=True, kw_only=True)
class Placed:
    """The order, and whether an earlier request with the same key had placed it."""

    order: Order
    is_replayed: bool


async def find_placed(database: Database, command: Command) -> Placed | None:
    """The order that this command has placed, as it stands now.

    :raises IdempotencyKeyReused: the key came with another body then.
    :raises CheckoutExpired: inventory has given the stock back, which is final.
    """
    async with database.read() as session:
        standing = await placements.find(session, command.order_id)
        return await _replay(session, standing, command) if standing else None


async def _replay(session: AsyncSession, standing: Standing, command: Command) -> Placed:
    if standing.outcome is PlacementOutcome.ABANDONED:
        raise CheckoutExpired
    check_fingerprint(standing.fingerprint or "", command.fingerprint)
    return Placed(order=await orders.get(session, command.order_id), is_replayed=True)


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
    :raises PlacingTooSlow: all of this took longer than `desk.seconds`.
    """
    return await _or_what_a_rival_placed(_place(checkout, wanted, desk=desk, cart_id=cart_id), checkout, desk)


async def _or_what_a_rival_placed(attempt: Awaitable[Placed], checkout: Checkout, desk: Desk) -> Placed:
    """Whatever stopped this attempt, a request with the same key may have come through meanwhile: its answer counts."""
    try:
        return await _in_time(attempt, desk.seconds)
    except Refusal:
        placed = await find_placed(desk.database, checkout.command)
        if placed is None:
            raise
        return placed


async def _in_time(attempt: Awaitable[Placed], seconds: float) -> Placed:
    try:
        async with asyncio.timeout(seconds):
            return await attempt
    except TimeoutError as error:
        raise PlacingTooSlow from error


async def _place(checkout: Checkout, wanted: list[tuple[UUID, int]], *, desk: Desk, cart_id: UUID | None) -> Placed:
    products = await clients.prices(desk.sidecar, (product_id for product_id, _ in wanted))
    failpoint("order.priced.before_held")
    customer = checkout.customer
    order, fact = Order.place(
        checkout.command.order_id,
        user_id=customer.id,
        lines=lines_of(wanted, products),
        shipping_address=checkout.address,
        by=str(customer),
        at=checkout.at,
    )
    await desk.inventory.hold(order.id, order.lines, token=customer.token)
    failpoint("order.held.before_written")
    placed = await _write(checkout, order, fact, database=desk.database, cart_id=cart_id)
    failpoint("order.placed.before_answer")
    return placed


async def place_from_cart(checkout: Checkout, shopper: Shopper, *, desk: Desk) -> Placed:
    """Order what is in a cart; a cart makes one order.

    :raises CartEmpty: there is nothing in it.
    :raises CartAlreadyOrdered: it was ordered under another key.
    :raises Refusal: whatever `place` refuses.
    """
    return await _or_what_a_rival_placed(_place_from_cart(checkout, shopper, desk=desk), checkout, desk)


async def _place_from_cart(checkout: Checkout, shopper: Shopper, *, desk: Desk) -> Placed:
    standing = await cart.load(shopper, shop=Shop(sidecar=desk.sidecar, database=desk.database))
    wanted = [(item.product_id, item.quantity) for item in standing.cart.items]
    if wanted:
        return await _place(checkout, wanted, desk=desk, cart_id=standing.cart.cart_id)
    if standing.ordered_as is None:
        raise CartEmpty
    async with desk.database.begin() as session:
        if standing.ordered_as == checkout.command.order_id:
            return await _replay(session, await placements.get(session, checkout.command.order_id), checkout.command)
    raise _already_ordered(standing.ordered_as)


async def _write(
    checkout: Checkout, order: Order, fact: OrderPlaced, *, database: Database, cart_id: UUID | None
) -> Placed:
    async with database.begin() as session:
        placing = await _placing(session, order, checkout.command, cart_id)
        if placing.is_ordered:
            outbox.add(session, fact)
            failpoint("order.written.before_commit")
            return Placed(order=order, is_replayed=False)
        if placing.is_placed:
            raise _already_ordered(await orders.find_order_of_cart(session, cart_id))
        return await _replay(session, await placements.get(session, order.id), checkout.command)


async def _placing(session: AsyncSession, order: Order, command: Command, cart_id: UUID | None) -> Placing:
    """Only this waits for rivals: whoever waits too long for anything else finds a store that is too busy."""
    try:
        return await orders.place(session, order, fingerprint=command.fingerprint, cart_id=cart_id)
    except sqlalchemy.exc.OperationalError as error:
        if isinstance(error.orig, LockNotAvailable):
            raise RequestInProgress from error
        raise


def _already_ordered(order_id: UUID | None) -> CartAlreadyOrdered:
    return CartAlreadyOrdered(order_id=order_id, extra={"order_id": str(order_id)})
