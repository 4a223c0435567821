"""The provider's events: kept by their id first, acted on afterwards."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payment.store.leases import LEASE

_KEEP = text("""
WITH seen AS (
    SELECT CASE :kind
        WHEN 'payment_intent' THEN NOT EXISTS (
            SELECT FROM payment WHERE intent_id = :object_id AND captured_minor = 0
            AND (:type = 'payment_intent.succeeded' OR EXISTS (
                SELECT FROM attempt WHERE payment_id = payment.id AND status IN ('open', 'requires_action'))))
        WHEN 'refund' THEN EXISTS (
            SELECT FROM refund WHERE provider_reference = :object_id AND status = :status)
        WHEN 'dispute' THEN false
        ELSE true END AS is_known,
    CASE :kind
        WHEN 'payment_intent' THEN EXISTS (
            SELECT FROM payment JOIN attempt ON attempt.payment_id = payment.id
            WHERE intent_id = :object_id AND attempt.status = 'open' AND NOT attempt.is_answered)
        ELSE NOT EXISTS (SELECT FROM refund WHERE provider_reference = :object_id) END AS is_in_flight
)
INSERT INTO webhook_event (id, type, object_id, refund_id, received_at, due_at, processed_at)
SELECT :id, :type, :object_id, CAST(:refund_id AS uuid), :now,
    CAST(:now AS timestamptz) + CASE WHEN is_in_flight THEN interval '1 second' ELSE interval '0' END,
    CASE WHEN is_known THEN CAST(:now AS timestamptz) END
FROM seen ON CONFLICT (id) DO NOTHING
""")
_TAKE_DUE = text("""
UPDATE webhook_event SET tries = tries + 1, due_at = :leased_until WHERE id = (
    SELECT id FROM webhook_event WHERE processed_at IS NULL AND due_at <= :now
    ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING id, type, object_id, refund_id
""")
_POSTPONE = text("""
UPDATE webhook_event SET due_at = CAST(:now AS timestamptz) + pause_after(tries, interval '0.5 seconds') WHERE id = :id
""")
_FORGET = text("""
DELETE FROM webhook_event WHERE id IN (SELECT id FROM webhook_event WHERE processed_at < :before LIMIT 1000)
RETURNING id
""")
_DONE = text("UPDATE webhook_event SET processed_at = :now WHERE id = :id")


@dataclass(frozen=True, kw_only=True)
class Received:
    """An event as it came. `kind` is what its object is, `status` what that says of itself, `refund_id` our own id.

    The rest of its body, which may tell who the customer is, is not kept.
    """

    id: str
    type: str
    kind: str
    object_id: str
    status: str | None
    refund_id: UUID | None


@dataclass(frozen=True, kw_only=True)
class Due:
    """An event that is to be acted on; `refund_id` is our own id, when its object carries one."""

    id: str
    type: str
    object_id: str
    refund_id: UUID | None


async def keep(session: AsyncSession, received: Received, *, now: datetime) -> None:
    """Keep an event once.

    One that tells nothing new is done with at once; one whose cause is just being recorded by the request that made it
    rests for a second.
    """
    await session.execute(_KEEP, vars(received) | {"now": now})


async def take_due(session: AsyncSession, *, now: datetime) -> Due | None:
    """Lease the event that is longest due."""
    row = (await session.execute(_TAKE_DUE, {"now": now, "leased_until": now + LEASE})).one_or_none()
    if row is None:
        return None
    return Due(id=row.id, type=row.type, object_id=row.object_id, refund_id=row.refund_id)


async def postpone(session: AsyncSession, event_id: str, *, now: datetime) -> None:
    """Act on it later, with growing pauses."""
    await session.execute(_POSTPONE, {"id": event_id, "now": now})


async def done(session: AsyncSession, event_id: str, *, now: datetime) -> None:
    """It was acted on."""
    await session.execute(_DONE, {"id": event_id, "now": now})


async def forget(session: AsyncSession, *, before: datetime) -> bool:
    """Forget a thousand events that were done with before a moment; answers whether there were any."""
    return bool((await session.execute(_FORGET, {"before": before})).all())
