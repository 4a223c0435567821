"""What inventory does about other services' events."""

from sqlalchemy.ext.asyncio import AsyncSession

from services.contracts.events import OpeningStockDeclared, OrderCancelled, OrderPaid, OrderPlaced
from services.inventory.operations import holds, levels
from services.shared.pubsub import EventDoor

door = EventDoor()


@door.on(OrderPlaced)
async def confirm_the_hold(session: AsyncSession, event: OrderPlaced) -> None:
    """A placed order's hold needs no asking about."""
    await holds.confirm(session, event.order_id, order_version=event.version, at=event.at)


@door.on(OrderPaid)
async def commit_the_hold(session: AsyncSession, event: OrderPaid) -> None:
    """A paid order's units leave the stock."""
    await holds.commit(session, event.order_id, order_version=event.version, actor=event.actor, at=event.at)


@door.on(OrderCancelled)
async def release_the_hold(session: AsyncSession, event: OrderCancelled) -> None:
    """A cancelled order's units come back."""
    await holds.release(session, event.order_id, order_version=event.version, actor=event.actor, at=event.at)


@door.on(OpeningStockDeclared)
async def open_the_levels(session: AsyncSession, event: OpeningStockDeclared) -> None:
    """Products begin with the stock that they were declared with."""
    await levels.open_stock(session, event.levels, by="service:product", at=event.at)
