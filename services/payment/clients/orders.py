"""Questions to the order service."""

from http import HTTPStatus
from uuid import UUID

from pydantic import BaseModel

from services.contracts.answers import PayableOrder
from services.shared.sidecar import CallRefused, Sidecar, SidecarAway

APP_ID = "order"


class _CancelledOrder(BaseModel):
    status: str


async def find_payable(sidecar: Sidecar, order_id: UUID) -> PayableOrder | None:
    """What an order costs and whose it is; None when there is no such order.

    :raises SidecarAway: the order service gave no answer that helps.
    """
    try:
        return await sidecar.call(APP_ID, "GET", f"/internal/payables/{order_id}", PayableOrder)
    except CallRefused as refusal:
        if refusal.status == HTTPStatus.NOT_FOUND:
            return None
        raise SidecarAway from refusal


async def cancel(sidecar: Sidecar, order_id: UUID, *, token: str) -> bool:
    """Cancel an order for the user of this token; False when it has been shipped and cannot be cancelled any more.

    :raises SidecarAway: the order service gave no answer that helps.
    """
    try:
        await sidecar.call(APP_ID, "DELETE", f"/orders/{order_id}", _CancelledOrder, token=token)
    except CallRefused as refusal:
        if refusal.status == HTTPStatus.CONFLICT:
            return False
        raise SidecarAway from refusal
    return True
