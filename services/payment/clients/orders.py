"""Questions to the order service."""

from http import HTTPStatus
from uuid import UUID

from pydantic import BaseModel

from services.contracts.answers import PayableOrder
from services.payment.domain.payables import Payable
from services.shared.sidecar import CallRefused, Sidecar, SidecarAway

APP_ID = "order"


class _CancelledOrder(BaseModel):
    status: str


async def find_payable(sidecar: Sidecar, order_id: UUID) -> Payable | None:
    """What an order costs and whose it is; None when there is no such order.

    :raises SidecarAway: the order service gave no answer that helps.
    """
    try:
        order = await sidecar.call(APP_ID, "GET", f"/internal/payables/{order_id}", PayableOrder)
    except CallRefused as refusal:
        if refusal.status == HTTPStatus.NOT_FOUND:
            return None
        raise SidecarAway from refusal
    return Payable.of(
        order_id=order.order_id,
        user_id=order.user_id,
        amount=order.amount,
        version=order.version,
        status=order.status,
    )


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
