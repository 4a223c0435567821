"""Following orders that were paid and tell nothing more: the news that one was cancelled may be lost on its way.

Without this, the shop would keep the money of a cancelled order for ever where a broker has lost what it had accepted.
"""

from datetime import datetime

import structlog

from services.payment.clients import orders
from services.payment.operations import closing
from services.payment.operations.till import Till
from services.payment.store import payables
from services.shared.sidecar import SidecarAway

log = structlog.get_logger()


async def follow_one(till: Till, *, at: datetime) -> bool:
    """Ask for the paid order that is longest due and do as it says; False when none was answered for."""
    async with till.database.begin() as session:
        order_id = await payables.take_followed(session, now=at)
    if order_id is None:
        return False
    try:
        payable = await orders.find_payable(till.sidecar, order_id)
    except SidecarAway:
        return False
    if payable is None:
        log.error("payable.paid_without_order", order_id=str(order_id))
        return True
    async with till.database.begin() as session:
        if payable.is_cancelled:
            await closing.cancel_order(session, payable, at=at)
        else:
            await closing.keep_order(session, payable)
    return True
