"""The facts of orders, as the outbox keeps them for ever."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.contracts.events import OrderEvent, event_types

_OF_ORDER = text("""
SELECT type, data FROM outbox WHERE aggregate_id = :order_id AND topic = 'orders' ORDER BY version
""")


async def of_order(session: AsyncSession, order_id: UUID) -> Sequence[OrderEvent]:
    """Every fact of an order, from the first on."""
    types = {name: event for name, event in event_types().items() if issubclass(event, OrderEvent)}
    rows = await session.execute(_OF_ORDER, {"order_id": order_id})
    return [types[row.type].model_validate(row.data) for row in rows]
