"""An order from its facts: what the tables say now, and what they said at any moment before."""

from collections.abc import Sequence

from services.contracts.events import OrderEvent, OrderShipped
from services.order.domain.address import Address
from services.order.domain.order import HistoryEntry, Order, OrderStatus


class FactsMissing(Exception):
    """The facts of an order are not all there, or not in order."""


def fold(facts: Sequence[OrderEvent], *, address: Address | None) -> Order:
    """The order after these facts, which are its first ones in the order of their versions.

    :param address: facts carry no personal data, so the address is told beside them.
    :raises FactsMissing: there are none, or their versions are not 1, 2, 3 and so on.
    """
    if not facts or [fact.version for fact in facts] != list(range(1, len(facts) + 1)):
        raise FactsMissing
    first, last = facts[0], facts[-1]
    parcel = next((fact for fact in facts if isinstance(fact, OrderShipped)), None)
    return Order(
        id=last.order_id,
        user_id=last.user_id,
        status=OrderStatus(last.status),
        lines=last.lines,
        total_amount=last.total_amount,
        shipping_address=address,
        payment_id=last.payment_id,
        history=[_entry(fact) for fact in facts],
        version=last.version,
        created_at=first.at,
        updated_at=last.at,
        expires_at=last.expires_at,
        carrier=parcel.carrier if parcel else None,
        tracking_number=parcel.tracking_number if parcel else None,
    )


def _entry(fact: OrderEvent) -> HistoryEntry:
    return HistoryEntry(
        status=OrderStatus(fact.status), at=fact.at, actor=fact.actor, reason=fact.reason, cause=fact.cause
    )
