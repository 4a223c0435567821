"""The event door: what the stock ledger tells about availability."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from services.contracts.events import StockCommitted, StockEvent, StockHeld, StockReleased, StockReturned, StockSet
from services.product.store import availability
from services.shared.pubsub import EventDoor

door = EventDoor()


@door.in_bulk(StockSet, StockHeld, StockCommitted, StockReleased, StockReturned)
async def know_availability(session: AsyncSession, events: Sequence[StockEvent]) -> None:
    """Keep what is on hand and reserved, by the levels' versions; the product's own version stays."""
    await availability.keep(session, (level for event in events for level in event.levels))
