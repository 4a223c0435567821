import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from services.local.chaos import history
from services.local.chaos.asking import Asking
from services.local.chaos.history import Attempt, History
from services.local.chaos.journeys import Journey
from services.local.chaos.shoppers import Account, Clerk, Shopper
from services.local.customer import client
from services.local.customer.place import OPERATOR, Place
from tests.unit.chaos.shop import TroubledShop
from tests.unit.customer.shop import opened


@pytest.fixture
def shop() -> TroubledShop:
    return TroubledShop()


@pytest.fixture
async def place(shop: TroubledShop, tmp_path: Path) -> AsyncIterator[Place]:
    async with opened(shop, tmp_path) as open_shop:
        yield open_shop


@dataclass(frozen=True)
class Visit:
    """A customer and a clerk in the shop, and what they wrote down."""

    shopper: Shopper
    clerk: Clerk
    stream: io.StringIO

    def attempts(self) -> list[Attempt]:
        return list(history.attempts(self.stream.getvalue().splitlines(keepends=True)))

    def told(self) -> list[tuple[str, str]]:
        """What was asked, and how it ended."""
        return [(one.function, one.outcome.value) for one in self.attempts()]

    def journey(self, product: str, *, seed: int = 1) -> Journey:
        choose = Random(seed)  # noqa: S311 - it must be repeatable
        return Journey(name="ada", shopper=self.shopper, clerk=self.clerk, lines=[(product, 1)], choose=choose)


@pytest.fixture
async def visit(place: Place) -> AsyncIterator[Visit]:
    stream = io.StringIO()
    async with client.connected(place.base_url) as anyone:
        asking = Asking(history=History(stream), patience=5, first_pause=0.001)
        clerk = Clerk(account=await Account.existing(anyone, OPERATOR, "secret"), asking=asking)
        yield Visit(await Shopper.registered(anyone, asking), clerk, stream)
