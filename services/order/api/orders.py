"""Orders, as customers and staff use them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import AwareDatetime

from services.order import views
from services.order.api.shapes import OrderShape, PlaceOrderBody, ReaddressBody, ShipBody, TimelineShape
from services.order.api.shopping import AnyShopper, OwnDesk, PlaceCommand
from services.order.domain.order import Order, OrderStatus
from services.order.operations import checkout, fulfilment
from services.order.operations.checkout import Checkout, Placed
from services.shared.database import Transaction
from services.shared.idempotency import REPLAYED
from services.shared.identity import Customer, Staff
from services.shared.pages import Cursor, Limit, Page, decode_cursor, page_of
from services.shared.runtime import Docs, Now, OwnDatabase

router = APIRouter(tags=["order"])


async def _earlier(command: PlaceCommand, database: OwnDatabase) -> Placed | None:
    return await checkout.find_placed(database, command)


Earlier = Annotated[Placed | None, Depends(_earlier)]
"""What an earlier request with this key placed: looked up before the body is looked at."""


Moment = Annotated[
    AwareDatetime | None,
    Query(
        description="Show it as it was at this moment (RFC 3339): not found before it was placed. The address is the "
        "one of today, or null once it was erased: earlier ones are not kept.",
    ),
]


@router.post("/orders", status_code=201, summary="Place an order")
async def place_order(  # noqa: PLR0913 - everything that an order depends on
    *,
    body: PlaceOrderBody,
    command: PlaceCommand,
    earlier: Earlier,
    shopper: AnyShopper,
    customer: Customer,
    desk: OwnDesk,
    now: Now,
    response: Response,
) -> OrderShape:
    """Holds the stock of all items, or of none, and waits 15 minutes for the payment."""
    placed = earlier
    if placed is None:
        wish = Checkout(command=command, customer=customer, address=body.shipping_address, at=now)
        if body.items is None:
            placed = await checkout.place_from_cart(wish, shopper, desk=desk)
        else:
            placed = await checkout.place(wish, [(item.product_id, item.quantity) for item in body.items], desk=desk)
    response.headers.update({"Location": f"/orders/{placed.order.id}"} | (REPLAYED if placed.is_replayed else {}))
    return OrderShape.model_validate(placed.order)


@router.get("/orders", summary="One's own orders, newest first; staff see all")
async def list_orders(
    principal: Customer,
    session: Transaction,
    status: OrderStatus | None = None,
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Page[OrderShape]:
    """A page of orders."""
    before = decode_cursor(cursor, datetime.fromisoformat, UUID)
    found = await fulfilment.list_orders(session, principal=principal, status=status, before=before, limit=limit + 1)
    return page_of(found, limit, OrderShape.model_validate, _position)


def _position(order: Order) -> tuple[str, ...]:
    return order.created_at.isoformat(), str(order.id)


@router.get("/orders/{order_id}", summary="An order")
async def get_order(order_id: UUID, principal: Customer, session: Transaction, at: Moment = None) -> OrderShape:
    """One's own; staff see all. With `at`, the order as it was then, with the address as it is today."""
    if at is None:
        return OrderShape.model_validate(await fulfilment.get_order(session, order_id, principal=principal))
    found = await fulfilment.get_order_as_it_was(session, order_id, principal=principal, at=at)
    return OrderShape.model_validate(found)


@router.get("/orders/{order_id}/timeline", summary="What happened to an order, from every service")
async def get_order_timeline(
    order_id: UUID, principal: Customer, session: Transaction, documents: Docs
) -> TimelineShape:
    """Sorted by time."""
    await fulfilment.demand_visible(session, order_id, principal=principal)
    return TimelineShape(items=await views.timeline(documents, order_id))


@router.put("/orders/{order_id}", summary="Send an order to another address")
async def readdress_order(
    order_id: UUID, body: ReaddressBody, customer: Customer, session: Transaction, now: Now
) -> OrderShape:
    """One's own, while it is pending or paid."""
    address = body.shipping_address
    return OrderShape.model_validate(await fulfilment.readdress(session, order_id, address, customer=customer, at=now))


@router.delete("/orders/{order_id}", summary="Cancel an order")
async def cancel_order(order_id: UUID, principal: Customer, session: Transaction, now: Now) -> OrderShape:
    """While it is pending or paid: its stock returns, and so does money that was captured."""
    return OrderShape.model_validate(await fulfilment.cancel(session, order_id, principal=principal, at=now))


@router.post("/orders/{order_id}/ship", summary="Hand an order to a carrier")
async def ship_order(order_id: UUID, body: ShipBody, staff: Staff, session: Transaction, now: Now) -> OrderShape:
    """A paid one."""
    parcel = {"carrier": body.carrier, "tracking_number": body.tracking_number}
    return OrderShape.model_validate(await fulfilment.ship(session, order_id, **parcel, staff=staff, at=now))


@router.post("/orders/{order_id}/deliver", summary="Record that an order has reached its customer")
async def deliver_order(order_id: UUID, staff: Staff, session: Transaction, now: Now) -> OrderShape:
    """A shipped one."""
    return OrderShape.model_validate(await fulfilment.deliver(session, order_id, staff=staff, at=now))
