"""What the order service asks."""

from uuid import UUID

from fastapi import APIRouter

from services.contracts.answers import CloseAsked, Closed
from services.payment.api.till import OwnTill
from services.payment.operations import closing
from services.shared.identity import Peer
from services.shared.runtime import Now

router = APIRouter(tags=["payment"], include_in_schema=False)


@router.post("/internal/payables/{order_id}/close")
async def close_payable(_: Peer, order_id: UUID, asked: CloseAsked, till: OwnTill, now: Now) -> Closed:
    """Let no new attempt begin, unless the order is paid or being paid."""
    return await closing.close(till, order_id, asked, at=now)
