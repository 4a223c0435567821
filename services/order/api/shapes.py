"""What requests say and what answers show."""

from datetime import datetime
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StrictInt, model_validator

from services.contracts.money import Money
from services.order.domain.address import Address, Text
from services.order.domain.cart import MOST_LINES, MOST_UNITS
from services.order.domain.order import OrderStatus
from services.order.views import TimelineItem
from services.shared.bodies import Body

Quantity = Annotated[StrictInt, Field(ge=1, le=MOST_UNITS)]


class WantedItem(Body):
    """So many units of a product."""

    product_id: UUID
    quantity: Quantity


class PlaceOrderBody(Body):
    """What to order, the items or the customer's cart, and where it goes."""

    items: Annotated[list[WantedItem], Field(min_length=1, max_length=MOST_LINES)] | None = None
    from_cart: Literal[True] | None = None
    shipping_address: Address

    @model_validator(mode="after")
    def _either(self) -> Self:
        if (self.items is None) == (self.from_cart is None):
            message = "give either items or from_cart: true"
            raise ValueError(message)
        return self


class ReaddressBody(Body):
    """Where the order goes from now on."""

    shipping_address: Address


class ShipBody(Body):
    """The parcel."""

    carrier: Text
    tracking_number: Text


class QuantityBody(Body):
    """So many units."""

    quantity: Quantity


class Shape(BaseModel):
    """Part of an answer, read from the domain's object of the same fields."""

    model_config = ConfigDict(from_attributes=True)


class ItemShape(Shape):
    """A line of an order at the price it was placed at."""

    product_id: UUID
    sku: str
    name: str
    unit_price: Money
    quantity: int
    line_total: Money


class HistoryShape(Shape):
    """What the order was at a moment, who brought it there and why."""

    status: OrderStatus
    at: datetime
    actor: str
    reason: str | None


class OrderShape(Shape):
    """An order."""

    id: UUID
    user_id: UUID
    status: OrderStatus
    items: Annotated[list[ItemShape], Field(validation_alias="lines")]
    total_amount: Money
    shipping_address: Annotated[Address | None, Field(description="Null once it was erased.")]
    payment_id: UUID | None
    carrier: str | None
    tracking_number: str | None
    history: list[HistoryShape]
    version: int
    created_at: datetime
    updated_at: datetime
    expires_at: Annotated[datetime, Field(description="When a pending order becomes cancelled unless it is paid.")]


class TimelineShape(Shape):
    """What happened to an order, from every service, oldest first."""

    items: list[TimelineItem]


class CartItemShape(Shape):
    """A line of a cart at today's price."""

    product_id: UUID
    name: str
    quantity: int
    unit_price: Money
    line_total: Money
    flags: list[Literal["unavailable", "price_changed"]]


class CartShape(Shape):
    """A cart at today's prices."""

    items: list[CartItemShape]
    total_amount: Annotated[
        Money | None,
        Field(description="Without unavailable lines; null when nothing is left or the currencies differ."),
    ]
