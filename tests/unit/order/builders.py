"""Orders, carts and products as tests want them."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from services.contracts.answers import PricedProduct
from services.contracts.money import Money
from services.order.domain.address import Address
from services.order.domain.lines import lines_of
from services.order.domain.order import Order, OrderStatus

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
HOME = Address(name="Ada", line1="1 Road", city="Berlin", postal_code="10115", country="DE")
WORK = HOME.model_copy(update={"line1": "2 Street"})
CUSTOMER = "customer:1"
STAFF = "staff:2"
PAYMENT = UUID(int=7)


def product(price: str = "12.50", currency: str = "EUR", **more: Any) -> PricedProduct:
    values = {"product_id": uuid4(), "sku": "LAMP-1", "name": "Lamp", "is_active": True} | more
    return PricedProduct(price=Money.parse(price, currency), **values)


def placed(*wanted: tuple[PricedProduct, int]) -> Order:
    lines = lines_of([(one.product_id, units) for one, units in wanted], [one for one, _ in wanted])
    order, _ = Order.place(uuid4(), user_id=uuid4(), lines=lines, shipping_address=HOME, by=CUSTOMER, at=AT)
    return order


def order_in(status: OrderStatus) -> Order:
    order = placed((product(), 2))
    order.status = status
    return order
