from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest

from services.order.app import create
from services.order.stock_double import StockDouble
from services.shared.sidecar_double import SidecarDouble
from tests.service.doors import Clock, Serve, Tokens
from tests.service.order.shop import Shop


@pytest.fixture
async def shop(serve: Serve, sidecar: SidecarDouble, tokens: Tokens, clock: Clock) -> AsyncIterator[Shop]:
    async with opened(serve, StockDouble(), sidecar, tokens, clock) as found:
        yield found


@asynccontextmanager
async def opened(
    serve: Serve, stock: StockDouble, sidecar: SidecarDouble, tokens: Tokens, clock: Clock
) -> AsyncIterator[Shop]:
    """The service while the block runs."""
    async with serve("order", partial(create, open_stock=stock.open)) as client:
        yield Shop(client=client, sidecar=sidecar, stock=stock, tokens=tokens, clock=clock)
