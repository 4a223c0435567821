"""The cart: what somebody may order, at the prices of the moment they look at it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, Field

from services.contracts.answers import PricedProduct
from services.contracts.money import Money
from services.shared.errors import Conflict, Invalid, NotFound

MOST_LINES = 100
MOST_UNITS = 1000
MOST_MERGED = 20
"""Of how many guests a cart keeps the record; each was emptied by then, unless that very write was lost."""
UNAVAILABLE = "unavailable"
PRICE_CHANGED = "price_changed"


class ProductNotFound(NotFound):
    """There is no such product on sale."""


class CartFull(Conflict):
    """A cart has at most {lines} lines."""


class CartEmpty(Invalid):
    """There is nothing in the cart to order."""


class CartAlreadyOrdered(Conflict):
    """The cart was ordered already, as the order {order_id}."""


class CartBusy(Conflict):
    """The cart is being changed from elsewhere at the same moment; try again."""


class CartItem(BaseModel):
    """So many units of a product, with the name and the price that it had when it was put in."""

    model_config = ConfigDict(frozen=True)

    product_id: UUID
    name: str
    quantity: int
    unit_price: Money


class Cart(BaseModel):
    """A cart as it is kept. Its random id is what an order is made from, so a cart makes one order."""

    model_config = ConfigDict(frozen=True)

    cart_id: UUID = Field(default_factory=uuid4)
    items: tuple[CartItem, ...] = ()
    merged: dict[str, UUID] = Field(default_factory=dict)
    """The guests whose carts went into this one, the newest last: by token, the cart that did."""

    def successor(self) -> Self:
        """Another, empty cart of the same owner, who keeps the record of what was merged."""
        return type(self)(merged=self.merged)

    def with_item(self, item: CartItem) -> Self:
        """With this line, in place of the one of the same product.

        :raises CartFull: it has its hundred lines.
        """
        items = {one.product_id: one for one in self.items} | {item.product_id: item}
        if len(items) > MOST_LINES:
            raise CartFull(lines=MOST_LINES)
        return self.model_copy(update={"items": tuple(items.values())})

    def without(self, product_id: UUID) -> Self:
        """Without the line of this product."""
        return self.model_copy(update={"items": tuple(one for one in self.items if one.product_id != product_id)})

    def emptied(self) -> Self:
        """With nothing in it."""
        return self.model_copy(update={"items": ()})

    def lacks(self, token: str, guest: "Cart") -> bool:
        """Whether a guest's cart has something that has not been merged yet."""
        return bool(guest.items) and self.merged.get(token) != guest.cart_id

    def merge(self, token: str, guest: "Cart") -> Self:
        """With the lines of a guest's cart, and the record that they are in; units add up, as far as a line goes."""
        items = {one.product_id: one for one in self.items}
        for one in guest.items:
            units = one.quantity + (items[one.product_id].quantity if one.product_id in items else 0)
            items[one.product_id] = one.model_copy(update={"quantity": min(units, MOST_UNITS)})
        others = [(name, cart_id) for name, cart_id in self.merged.items() if name != token]
        merged = dict([*others, (token, guest.cart_id)][-MOST_MERGED:])
        return self.model_copy(update={"items": tuple(items.values())[:MOST_LINES], "merged": merged})


@dataclass(frozen=True, kw_only=True)
class PricedLine:
    """A line as it is shown."""

    product_id: UUID
    name: str
    quantity: int
    unit_price: Money
    line_total: Money
    flags: list[str]


@dataclass(frozen=True, kw_only=True)
class PricedCart:
    """A cart as it is shown. The total leaves out what is unavailable.

    It is None when there is nothing to sum, or when the lines are in several currencies.
    """

    items: list[PricedLine]
    total_amount: Money | None


def item_of(product_id: UUID, quantity: int, products: Iterable[PricedProduct]) -> CartItem:
    """A line of a product that is on sale.

    :raises ProductNotFound: it is not.
    """
    for product in products:
        if product.product_id == product_id and product.is_active:
            return CartItem(product_id=product_id, name=product.name, quantity=quantity, unit_price=product.price)
    raise ProductNotFound


def price(cart: Cart, products: Iterable[PricedProduct]) -> PricedCart:
    """The cart at today's prices."""
    on_sale = {product.product_id: product for product in products if product.is_active}
    lines = [_priced(item, on_sale.get(item.product_id)) for item in cart.items]
    totals = [line.line_total for line in lines if UNAVAILABLE not in line.flags]
    currencies = {total.currency for total in totals}
    total = Money.total(totals, totals[0].currency) if len(currencies) == 1 else None
    return PricedCart(items=lines, total_amount=total)


def _priced(item: CartItem, product: PricedProduct | None) -> PricedLine:
    unit_price, name, flags = item.unit_price, item.name, [UNAVAILABLE]
    if product is not None:
        flags = [PRICE_CHANGED] if product.price != item.unit_price else []
        unit_price, name = product.price, product.name
    return PricedLine(
        product_id=item.product_id,
        name=name,
        quantity=item.quantity,
        unit_price=unit_price,
        line_total=unit_price * item.quantity,
        flags=flags,
    )
