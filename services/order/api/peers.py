"""What inventory and payment ask."""

from uuid import UUID

from fastapi import APIRouter

from services.contracts.answers import PayableOrder, Placement
from services.order.operations import placements
from services.shared.database import Transaction
from services.shared.identity import Peer
from services.shared.runtime import OwnDatabase

router = APIRouter(prefix="/internal", include_in_schema=False)


@router.post("/placements/{order_id}/ask")
async def ask_placement(order_id: UUID, database: OwnDatabase, _: Peer) -> Placement:
    """Whether an order was placed; what nobody has placed is abandoned by this question."""
    return await placements.ask_placement(database, order_id)


@router.get("/payables/{order_id}")
async def get_payable(order_id: UUID, session: Transaction, _: Peer) -> PayableOrder:
    """What is payable of an order."""
    return await placements.payable(session, order_id)
