"""What inventory asks others."""

from uuid import UUID

from services.contracts.answers import Placement
from services.shared.sidecar import Sidecar


async def ask_placement(sidecar: Sidecar, order_id: UUID) -> Placement:
    """Whether an order was placed; asking makes the answer final.

    :raises SidecarAway: no answer came.
    """
    return await sidecar.call("order", "POST", f"/internal/placements/{order_id}/ask", Placement)
