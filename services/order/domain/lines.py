"""The lines of an order: what is wanted, at today's prices, and what it comes to."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from services.contracts.answers import PricedProduct
from services.contracts.events import OrderLine
from services.contracts.money import LARGEST_MINOR, Money
from services.order.domain.cart import MOST_UNITS
from services.shared.errors import Invalid


class UnknownProduct(Invalid):
    """A product does not exist or is not on sale."""


class TooManyUnits(Invalid):
    """An order has at most {most} units of a product."""


class MixedCurrencies(Invalid):
    """All lines of an order must be in one currency; these are in {currencies}."""


class TotalTooLarge(Invalid):
    """The total of an order is at most {largest}."""


def lines_of(wanted: Sequence[tuple[UUID, int]], products: Iterable[PricedProduct]) -> list[OrderLine]:
    """Order lines at today's prices; wanting a product twice wants the sum.

    :raises UnknownProduct: naming the positions whose product does not exist or is not on sale.
    :raises TooManyUnits: naming the positions whose product is wanted more often than a line goes.
    """
    on_sale = {product.product_id: product for product in products if product.is_active}
    unknown = [position for position, (product_id, _) in enumerate(wanted) if product_id not in on_sale]
    if unknown:
        message = "there is no such product on sale"
        raise UnknownProduct(errors=[{"field": f"items.{at}.product_id", "message": message} for at in unknown])
    quantities = merged(wanted)
    above = [position for position, (product_id, _) in enumerate(wanted) if quantities[product_id] > MOST_UNITS]
    if above:
        message = f"together they are more than {MOST_UNITS} units of this product"
        raise TooManyUnits(
            most=MOST_UNITS, errors=[{"field": f"items.{at}.quantity", "message": message} for at in above]
        )
    return [_line(on_sale[product_id], quantity) for product_id, quantity in quantities.items()]


def merged(wanted: Iterable[tuple[UUID, int]]) -> dict[UUID, int]:
    """So many units of each product, in the order in which they were first named."""
    quantities: dict[UUID, int] = {}
    for product_id, quantity in wanted:
        quantities[product_id] = quantities.get(product_id, 0) + quantity
    return quantities


def _line(product: PricedProduct, quantity: int) -> OrderLine:
    return OrderLine(
        product_id=product.product_id,
        sku=product.sku,
        name=product.name,
        unit_price=product.price,
        quantity=quantity,
        line_total=product.price * quantity,
    )


def total_of(lines: Sequence[OrderLine]) -> Money:
    """The sum of the lines.

    :raises MixedCurrencies: they are not all in one currency.
    :raises TotalTooLarge: it is more than `Money` can carry on the wire.
    """
    currencies = sorted({line.line_total.currency for line in lines})
    if len(currencies) > 1:
        raise MixedCurrencies(currencies=", ".join(currencies))
    total = Money.total((line.line_total for line in lines), currencies[0])
    if total.minor > LARGEST_MINOR:
        raise TotalTooLarge(largest=Money.of(LARGEST_MINOR, total.currency))
    return total
