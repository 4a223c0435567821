"""The demo catalogue: plausible products made from a seed, the same ones every time."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from services.local.customer.families import BRANDS, COLOURS, FAMILIES, SERIES, Choices, Family

SIZE = 2_000
SEED = 20_260


Attributes = dict[str, str | int | float | bool]


@dataclass(frozen=True, kw_only=True)
class Product:
    """One generated product, in the words of the shop's import."""

    sku: str
    name: str
    description: str
    cents: int
    category: str
    brand: str
    attributes: Attributes
    on_hand: int

    def row(self) -> dict[str, Any]:
        """The product as import takes it."""
        return {
            "sku": self.sku,
            "name": self.name,
            "description": self.description,
            "price": {"amount": f"{self.cents // 100}.{self.cents % 100:02d}", "currency": "USD"},
            "category": self.category,
            "brand": self.brand,
            "attributes": self.attributes,
            "on_hand": self.on_hand,
        }


def generate(size: int = SIZE, *, seed: int = SEED) -> Iterator[Product]:
    """So many products, every family in turn."""
    choose = Random(seed)  # noqa: S311 - a catalogue is no secret
    for number in range(size):
        yield _product(FAMILIES[number % len(FAMILIES)], number // len(FAMILIES) + 1, choose)


def _product(family: Family, number: int, choose: Random) -> Product:
    brand, series, colour = choose.choice(BRANDS), choose.choice(SERIES), choose.choice(COLOURS)
    attributes: Attributes = {name: _chosen(choices, choose) for name, choices in family.attributes.items()}
    return Product(
        sku=f"{family.code}-{number:04d}",
        name=f"{brand} {series} {choose.randint(1, 9)} {family.noun}, {colour}",
        description=_description(family, f"{brand} {series}", colour, attributes, choose),
        cents=_price(family, choose),
        category=family.category,
        brand=brand,
        attributes={**attributes, "colour": colour, "type": family.noun},
        on_hand=choose.randint(20, 200),
    )


def _chosen(choices: Choices, choose: Random) -> str | float:
    return choices[choose.randrange(len(choices))]


def _price(family: Family, choose: Random) -> int:
    """Cheap things are more common than dear ones, and prices end in 90 cents."""
    spread = (family.dearest - family.cheapest) * choose.random() ** 2
    return round((family.cheapest + spread) / 100) * 100 - 10


def _description(family: Family, title: str, colour: str, attributes: Attributes, choose: Random) -> str:
    first, second = choose.sample(family.traits, 2)
    facts = ", ".join(_fact(name, value) for name, value in attributes.items())
    return (
        f"{title}: {family.noun.lower()} in {colour.lower()} with {first} and {second}. "
        f"Made for {choose.choice(family.uses)}. {facts.capitalize()}."
    )


def _fact(name: str, value: str | float) -> str:
    words = name.replace("_", " ")
    if isinstance(value, bool):
        return words if value else f"not {words}"
    return f"{words}: {value}"
