"""What inventory asks others."""

from uuid import UUID

from services.contracts.answers import PayableOrder, Placement
from services.shared.sidecar import Sidecar


async def ask_placement(sidecar: Sidecar, order_id: UUID) -> Placement:
    """Whether an order was placed; asking makes the answer final.

    :raises SidecarAway: no answer came.
    """
    return await sidecar.call("order", "POST", f"/internal/placements/{order_id}/ask", Placement)


async def ask_order(sidecar: Sidecar, order_id: UUID) -> PayableOrder:
    """How far an order has come.

    :raises SidecarAway: no answer came.
    """
    return await sidecar.call("order", "GET", f"/internal/payables/{order_id}", PayableOrder)
