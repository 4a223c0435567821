"""Keeping the search index: built from the database at start, then following what changes."""

import asyncio
import time
from collections.abc import Callable

import structlog

from services.product.search import Result, SearchIndex, Wanted
from services.product.store import changes
from services.product.store.catalogue import Catalogue
from services.product.store.changes import Position
from services.shared.errors import Unavailable

CHANGES_KEPT_HOURS = 24
_LONGEST_GAP_SECONDS = CHANGES_KEPT_HOURS * 3600 / 2

log = structlog.get_logger()


class SearchStarting(Unavailable):
    """The search index is being built; try again."""


class Search:
    """The index of this process and how far it follows the database."""

    def __init__(
        self, catalogue: Catalogue, *, seconds: Callable[[], float] = time.monotonic, patience: float = 5.0
    ) -> None:
        """Follow a catalogue. `seconds` tells the time that passes, `patience` how many a first search waits."""
        self._catalogue = catalogue
        self._seconds = seconds
        self._patience = patience
        self._index = SearchIndex()
        self._position: Position | None = None
        self._followed_at = 0.0
        self._built = asyncio.Event()

    async def find(self, wanted: Wanted) -> Result:
        """Search, once the index was built.

        :raises SearchStarting: that takes too long just now.
        """
        if not self._built.is_set():
            await self._wait_until_built()
        return await asyncio.to_thread(self._index.search, wanted)

    async def _wait_until_built(self) -> None:
        try:
            async with asyncio.timeout(self._patience):
                await self._built.wait()
        except TimeoutError as error:
            raise SearchStarting from error

    async def follow(self) -> bool:
        """Take in what changed since the last time; answers whether there may be more at once.

        An index that has not followed for so long that changes may have been forgotten is built anew.
        """
        now = self._seconds()
        if self._position is None or now - self._followed_at > _LONGEST_GAP_SECONDS:
            self._position = await self._build()
            self._followed_at = now
            return False
        found = await changes.since(self._catalogue, self._position)
        if found.product_ids:
            rows = await changes.products(self._catalogue, list(found.product_ids))
            await asyncio.to_thread(self._index.put, rows)
            await asyncio.to_thread(self._index.commit)
        self._position, self._followed_at = found.position, now
        return found.is_full

    async def _build(self) -> Position:
        began, count = self._seconds(), 0
        self._index.clear()
        async with changes.snapshot(self._catalogue) as (position, batches):
            async for rows in batches:
                await asyncio.to_thread(self._index.put, rows)
                count += len(rows)
        await asyncio.to_thread(self._index.commit)
        self._built.set()
        log.info("search.built", products=count, seconds=round(self._seconds() - began, 2))
        return position
