"""Looking at the stock while it is sold and while processes die: I3 must hold at every moment."""

import asyncio
from dataclasses import dataclass

import psycopg

from services.local.chaos.books import OVERSOLD

_EVERY = 2.0


@dataclass(kw_only=True)
class Samples:
    """Looks at the stock: how many, and the most units by which one found I3 broken."""

    taken: int = 0
    oversold: int = 0


async def look(url: str, samples: Samples) -> None:
    """Look every other second until cancelled; a database that is away is looked at later.

    :param url: the inventory service's database.
    """
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=2) as connection:
                while True:
                    await _take(connection, samples)
                    await asyncio.sleep(_EVERY)
        except psycopg.OperationalError:
            await asyncio.sleep(_EVERY)


async def _take(connection: psycopg.AsyncConnection[tuple[int, ...]], samples: Samples) -> None:
    async for (units,) in await connection.execute(OVERSOLD):
        samples.oversold = max(samples.oversold, units)
        samples.taken += 1
