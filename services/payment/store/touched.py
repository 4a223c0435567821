"""What is to be compared again: what changed or differed, with everything that a comparison sets it against.

Orders lead to movements of the provider's balance and these to orders, by every name that one has of the other, until
nothing is left that would be compared with something left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

MOST = 20_000
"""With more orders or movements than this it is cheaper to compare everything."""

_CHANGED_ORDERS = text("""
SELECT order_id FROM payable WHERE changed_at >= :since
UNION SELECT order_id FROM payment WHERE changed_at >= :since
UNION SELECT payment.order_id FROM refund JOIN payment ON payment.id = payment_id WHERE refund.changed_at >= :since
UNION SELECT order_id FROM ledger_transaction WHERE changed_at >= :since AND order_id IS NOT NULL
UNION SELECT order_id FROM reconciliation_difference WHERE resolved_at IS NULL AND order_id IS NOT NULL
""")
_CHANGED_MOVEMENTS = text("""
WITH differs AS (SELECT subject, subject_id, reference FROM reconciliation_difference WHERE resolved_at IS NULL)
SELECT id FROM provider_movement WHERE changed_at >= :since
UNION SELECT split_part(idempotency_key, ':', 2) FROM ledger_transaction
    WHERE changed_at >= :since AND kind IN ('fee', 'payout')
UNION SELECT subject_id FROM differs WHERE subject IN ('fee', 'payout', 'other')
UNION SELECT id FROM provider_movement JOIN differs ON id = reference
UNION SELECT id FROM provider_movement JOIN differs ON source = reference
UNION SELECT id FROM provider_movement JOIN differs ON intent_id = reference
""")
_LED_TO_ORDERS = text("""
WITH moved AS (SELECT * FROM provider_movement WHERE id = ANY(CAST(:movements AS text[])))
SELECT order_id FROM moved WHERE order_id IS NOT NULL
UNION SELECT payment.order_id FROM moved JOIN payment ON payment.intent_id = moved.intent_id
UNION SELECT payment.order_id FROM moved JOIN refund ON refund.id = moved.refund_id
    JOIN payment ON payment.id = payment_id
UNION SELECT payment.order_id FROM moved JOIN refund ON provider_reference = source
    JOIN payment ON payment.id = payment_id
UNION SELECT booked.order_id FROM moved JOIN ledger_transaction AS booked ON idempotency_key = 'fee:' || moved.id
    WHERE booked.order_id IS NOT NULL
UNION SELECT booked.order_id FROM moved JOIN ledger_transaction AS booked
    ON idempotency_key IN ('dispute_withdrawn:' || source, 'dispute_reinstated:' || source)
""")
_LED_TO_MOVEMENTS = text("""
WITH moved AS (SELECT * FROM provider_movement WHERE id = ANY(CAST(:movements AS text[]))),
bought AS (SELECT * FROM payment WHERE order_id = ANY(CAST(:orders AS uuid[]))),
returned AS (SELECT refund.* FROM refund JOIN bought ON bought.id = payment_id),
booked AS (
    SELECT kind, split_part(idempotency_key, ':', 2) AS name FROM ledger_transaction
    WHERE order_id = ANY(CAST(:orders AS uuid[])) AND kind IN ('fee', 'dispute_withdrawn', 'dispute_reinstated')
)
SELECT id FROM provider_movement WHERE order_id = ANY(CAST(:orders AS uuid[]))
UNION SELECT name FROM booked WHERE kind = 'fee'
UNION SELECT id FROM provider_movement JOIN booked ON source = name AND booked.kind <> 'fee'
UNION SELECT other.id FROM provider_movement AS other JOIN bought USING (intent_id)
UNION SELECT other.id FROM provider_movement AS other JOIN returned ON other.refund_id = returned.id
UNION SELECT other.id FROM provider_movement AS other JOIN returned ON source = provider_reference
UNION SELECT other.id FROM provider_movement AS other JOIN moved USING (source)
UNION SELECT other.id FROM provider_movement AS other JOIN moved USING (intent_id)
""")


@dataclass(frozen=True, kw_only=True)
class Touched:
    """Orders and movements that nothing else is compared with."""

    orders: Sequence[UUID]
    movements: Sequence[str]

    @property
    def keys(self) -> Sequence[str]:
        """Under which fees and payouts are in the ledger."""
        return [f"{kind}:{one}" for kind in ("fee", "payout") for one in self.movements]


async def find(session: AsyncSession, *, since: datetime) -> Touched | None:
    """What changed since then, by the database's clock, and what differed; None when that is too much."""
    orders = await _ids(session, _CHANGED_ORDERS, since=since)
    movements = await _ids(session, _CHANGED_MOVEMENTS, since=since)
    while (size := len(orders) + len(movements)) <= MOST:
        orders |= await _ids(session, _LED_TO_ORDERS, movements=list(movements))
        movements |= await _ids(session, _LED_TO_MOVEMENTS, orders=list(orders), movements=list(movements))
        if len(orders) + len(movements) == size:
            return Touched(orders=list(orders), movements=list(movements))
    return None


async def _ids(session: AsyncSession, query: Any, **values: object) -> set[Any]:  # noqa: ANN401 - of either kind
    return set((await session.execute(query, values)).scalars())
