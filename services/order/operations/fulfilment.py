"""What people do with an order after it was placed: look, readdress, cancel, ship, deliver."""

from collections.abc import Sequence
from datetime import datetime
from itertools import takewhile
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.order.domain.address import Address
from services.order.domain.folding import fold
from services.order.domain.order import Order, OrderStatus
from services.order.store import facts, orders
from services.order.store.orders import OrderNotFound
from services.shared import outbox
from services.shared.identity import Principal

REQUESTED = "requested"
"""The reason of a cancellation that somebody asked for."""
_ENDED = frozenset({OrderStatus.CANCELLED, OrderStatus.REFUNDED})


async def get_order(session: AsyncSession, order_id: UUID, *, principal: Principal) -> Order:
    """An order of one's own; staff see all.

    :raises OrderNotFound: there is none, or it is somebody else's.
    """
    return _visible(await orders.get(session, order_id), principal)


async def get_order_as_it_was(session: AsyncSession, order_id: UUID, *, principal: Principal, at: datetime) -> Order:
    """An order as its facts tell that it was at a moment, with today's address: addresses are not kept.

    :raises OrderNotFound: it was not there yet, there is none, or it is somebody else's.
    """
    order = _visible(await orders.get(session, order_id), principal)
    told = list(takewhile(lambda fact: fact.at <= at, await facts.of_order(session, order_id)))
    if not told:
        raise OrderNotFound
    return fold(told, address=order.shipping_address)


async def demand_visible(session: AsyncSession, order_id: UUID, *, principal: Principal) -> None:
    """Refuse whoever may not see an order.

    :raises OrderNotFound: there is none, or it is somebody else's.
    """
    _demand_visible(await orders.owner(session, order_id), principal)


async def list_orders(
    session: AsyncSession,
    *,
    principal: Principal,
    status: OrderStatus | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[Order]:
    """One's own orders, newest first; staff see all."""
    user_id = None if principal.is_staff else principal.id
    return await orders.newest(session, user_id=user_id, status=status, before=before, limit=limit)


async def readdress(
    session: AsyncSession, order_id: UUID, address: Address, *, customer: Principal, at: datetime
) -> Order:
    """Send an order to another address; the same address again changes nothing.

    :raises OrderNotFound: there is none, or it is somebody else's, for staff too.
    :raises OrderCannotBeReaddressed: it is neither pending nor paid.
    :raises ReaddressedTooOften: see `Order.readdress`.
    """
    order = await orders.lock(session, order_id)
    if order.user_id != customer.id:
        raise OrderNotFound
    if order.shipping_address == address:
        return order
    outbox.add(session, order.readdress(address, by=str(customer), at=at))
    await orders.save(session, order)
    await orders.save_address(session, order_id, address)
    return order


async def cancel(session: AsyncSession, order_id: UUID, *, principal: Principal, at: datetime) -> Order:
    """End an order before it ships; a cancelled one again changes nothing, its money returned or not.

    :raises OrderNotFound: there is none, or it is somebody else's.
    :raises OrderCannotMove: it has shipped.
    """
    order = _visible(await orders.lock(session, order_id), principal)
    if order.status in _ENDED and not order.has_left:
        return order
    outbox.add(session, order.cancel(by=str(principal), reason=REQUESTED, at=at))
    await orders.save(session, order)
    return order


async def ship(
    session: AsyncSession, order_id: UUID, *, carrier: str, tracking_number: str, staff: Principal, at: datetime
) -> Order:
    """Hand a paid order to a carrier; the same parcel again changes nothing.

    :raises OrderNotFound: there is none.
    :raises OrderCannotMove: it is not paid, or was shipped as another parcel.
    """
    order = await orders.lock(session, order_id)
    if order.is_shipped_with(carrier, tracking_number):
        return order
    outbox.add(session, order.ship(carrier=carrier, tracking_number=tracking_number, by=str(staff), at=at))
    await orders.save(session, order)
    return order


async def deliver(session: AsyncSession, order_id: UUID, *, staff: Principal, at: datetime) -> Order:
    """Record that a shipped order has reached its customer; again changes nothing.

    :raises OrderNotFound: there is none.
    :raises OrderCannotMove: it is not shipped.
    """
    order = await orders.lock(session, order_id)
    if order.status is OrderStatus.DELIVERED:
        return order
    outbox.add(session, order.deliver(by=str(staff), at=at))
    await orders.save(session, order)
    return order


def _visible(order: Order, principal: Principal) -> Order:
    _demand_visible(order.user_id, principal)
    return order


def _demand_visible(user_id: UUID, principal: Principal) -> None:
    if user_id != principal.id and not principal.is_staff:
        raise OrderNotFound
