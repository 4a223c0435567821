"""The generated catalogue on its way into an empty shop."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from services.local.customer import catalogue, client, importing, pictures
from services.local.customer.catalogue import Product
from services.local.customer.formats import JSON_LINES, LARGEST, Part, Row, cut, encoded
from services.local.customer.place import OPERATOR
from services.local.refusals import Refusal


class Unseeded(Refusal):
    """The shop has refused a part of the demo catalogue."""


async def seed(
    base_url: str, secrets: Mapping[str, str], progress: Callable[[str], None], *, media: Path | None = None
) -> int:
    """Import the demo catalogue; the answer is how many products it has.

    :param progress: hears what is being done, in words.
    :param media: a folder that the products' pictures are drawn into.
    :raises Unseeded: the shop does not take all of it
    """
    products = list(catalogue.generate())
    async with client.connected(base_url) as api:
        operator = await api.login(OPERATOR, secrets["operator-password"])
        summary = await importing.send(operator, parts(products), report=lambda _rows: None)
    if summary.failed:
        raise Unseeded(f"{summary.failed} demo products were refused, the first: {summary.errors[0].message}")
    if media is not None:
        draw(products, media)
        progress(f"drew {len(products)} pictures")
    return len(products)


def parts(products: Iterable[Product]) -> Iterator[Part]:
    """The requests that import generated products."""
    rows = (Row(line=line, content=encoded(product.row())) for line, product in enumerate(products, start=1))
    yield from cut(rows, content_type=JSON_LINES, largest=LARGEST)


def draw(products: list[Product], media: Path) -> None:
    """One SVG a product, named by its SKU."""
    media.mkdir(parents=True, exist_ok=True)
    for product in products:
        (media / f"{product.sku}.svg").write_bytes(pictures.picture(product))
