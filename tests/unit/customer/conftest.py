from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.local.customer.place import Place
from tests.unit.customer.shop import Shop, opened


@pytest.fixture
def shop() -> Shop:
    return Shop()


@pytest.fixture
async def place(shop: Shop, tmp_path: Path) -> AsyncIterator[Place]:
    async with opened(shop, tmp_path) as open_shop:
        yield open_shop
