"""What peers ask: whether an order was placed, and what is payable of it."""

from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.contracts.answers import PayableOrder, Placement
from services.order.store import orders, placements
from services.shared.database import Database
from services.shared.failpoints import failpoint


async def ask_placement(database: Database, order_id: UUID) -> Placement:
    """Whether an order was placed. Asking is a write: what nobody has placed is abandoned from now on.

    The answer is final, so it is given only once the transaction has committed.
    """
    async with database.begin() as session:
        await placements.abandon(session, order_id)
        standing = await placements.get(session, order_id)
        failpoint("placement.settled.before_commit")
    failpoint("placement.settled.before_answer")
    return Placement(order_id=order_id, outcome=standing.outcome)


async def payable(session: AsyncSession, order_id: UUID) -> PayableOrder:
    """What payment and inventory need to know of an order.

    :raises OrderNotFound: there is none.
    """
    order = await orders.get(session, order_id)
    return PayableOrder(
        order_id=order.id,
        user_id=order.user_id,
        status=order.status,
        amount=order.total_amount,
        version=order.version,
        expires_at=order.expires_at,
        has_left=order.has_left,
    )
