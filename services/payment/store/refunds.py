"""Refunds and the commands that asked for them."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payment.domain.intents import RefundStatus
from services.payment.domain.payment import Payment
from services.payment.domain.refunds import Pending, Refund
from services.payment.store import rows
from services.payment.store.leases import LEASE

_FIND_COMMAND = text("""
SELECT refund_command.fingerprint, refund.* FROM refund_command
LEFT JOIN refund ON refund.id = refund_command.refund_id WHERE refund_command.id = :command_id
""")
_KEEP_COMMAND = text("""
INSERT INTO refund_command (id, refund_id, fingerprint, at) VALUES (:command_id, :refund_id, :fingerprint, :at)
ON CONFLICT (id) DO UPDATE SET refund_id = EXCLUDED.refund_id, fingerprint = EXCLUDED.fingerprint
WHERE NOT EXISTS (
    SELECT FROM refund WHERE refund.id = refund_command.refund_id
    AND (refund.status <> 'failed' OR refund.provider_reference IS NOT NULL OR refund.is_answered)
) RETURNING id
""")
_ADD = text("""
INSERT INTO refund (id, payment_id, amount_minor, currency, reason, status, is_automatic, due_at, created_at)
VALUES (:id, :payment_id, :amount_minor, :currency, :reason, 'pending', :is_automatic, :due_at, :at)
ON CONFLICT (id) DO NOTHING RETURNING id
""")
_PENDING = text("""
SELECT COALESCE(sum(amount_minor), 0)::bigint AS whole,
    COALESCE(sum(amount_minor) FILTER (WHERE is_promised), 0)::bigint AS promised
FROM refund WHERE payment_id = :payment_id AND status = 'pending' AND id IS DISTINCT FROM CAST(:besides AS uuid)
""")
_PROMISE = text("UPDATE refund SET is_promised = true WHERE id = :refund_id")
_GET = text("SELECT * FROM refund WHERE id = :refund_id")
_LIST = text("SELECT * FROM refund WHERE payment_id = :payment_id ORDER BY created_at, id")
_FIND_BY_REFERENCE = text("""
SELECT * FROM refund WHERE provider_reference = :reference OR id = CAST(:refund_id AS uuid)
ORDER BY provider_reference = :reference DESC NULLS LAST
""")
_SAVE = text("""
UPDATE refund SET status = :status, provider_reference = COALESCE(provider_reference, :reference), due_at = :due_at
WHERE id = :refund_id
""")
_ANSWER = text("""
UPDATE refund SET is_answered = true, due_at = :due_at WHERE id = :refund_id AND status = 'pending'
""")
_TAKE_DUE = text("""
UPDATE refund SET tries = tries + 1, due_at = :leased_until WHERE id = (
    SELECT id FROM refund WHERE status = 'pending' AND due_at <= :now
    ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING id
""")
_HURRY = text("UPDATE refund SET due_at = :now, tries = 0 WHERE payment_id = :payment_id AND status = 'pending'")
_POSTPONE = text("""
UPDATE refund SET due_at = CAST(:now AS timestamptz) + pause_after(tries, interval '0.5 seconds')
WHERE id = :refund_id AND status = 'pending'
""")


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command that asked for a refund; without one when the order was to be cancelled first."""

    fingerprint: str
    refund: Refund | None


async def find_command(session: AsyncSession, command_id: UUID) -> Command | None:
    """What became of a command."""
    row = (await session.execute(_FIND_COMMAND, {"command_id": command_id})).one_or_none()
    if row is None:
        return None
    return Command(fingerprint=row.fingerprint, refund=rows.refund(row) if row.id is not None else None)


async def keep_command(
    session: AsyncSession, command_id: UUID, *, refund_id: UUID, fingerprint: str, at: datetime
) -> bool:
    """Tie a command to its refund; False when it is tied to one that exists."""
    values = {"command_id": command_id, "refund_id": refund_id, "fingerprint": fingerprint, "at": at}
    return (await session.execute(_KEEP_COMMAND, values)).one_or_none() is not None


@dataclass(frozen=True, kw_only=True)
class Planned:
    """A refund that is to be made, by the timer from `due_at` on if nobody has made it before."""

    id: UUID
    amount_minor: int
    reason: str | None
    is_automatic: bool = False
    due_at: datetime
    at: datetime


async def add(session: AsyncSession, payment: Payment, planned: Planned) -> bool:
    """Insert a pending refund of a locked payment; False when its id is taken."""
    values = vars(planned) | {"payment_id": payment.id, "currency": payment.currency}
    return (await session.execute(_ADD, values)).one_or_none() is not None


async def pending_of(session: AsyncSession, payment_id: UUID, *, besides: UUID | None = None) -> Pending:
    """The refunds of a locked payment that are under way, one of them left out."""
    row = (await session.execute(_PENDING, {"payment_id": payment_id, "besides": besides})).one()
    return Pending(whole_minor=row.whole, promised_minor=row.promised)


async def left_of(session: AsyncSession, payment: Payment) -> int:
    """What may still be refunded of a locked payment: what is pending counts as gone."""
    return payment.kept_minor - (await pending_of(session, payment.id)).whole_minor


async def promise(session: AsyncSession, refund_id: UUID) -> None:
    """Keep that the customer is owed what a refund is about."""
    await session.execute(_PROMISE, {"refund_id": refund_id})


async def hurry(session: AsyncSession, payment_id: UUID, *, now: datetime) -> None:
    """Try whatever is pending at once."""
    await session.execute(_HURRY, {"payment_id": payment_id, "now": now})


async def get(session: AsyncSession, refund_id: UUID) -> Refund:
    """A refund that exists."""
    return rows.refund((await session.execute(_GET, {"refund_id": refund_id})).one())


async def find(session: AsyncSession, refund_id: UUID) -> Refund | None:
    """A refund."""
    row = (await session.execute(_GET, {"refund_id": refund_id})).one_or_none()
    return rows.refund(row) if row else None


async def list_of(session: AsyncSession, payment_id: UUID) -> list[Refund]:
    """Every refund of a payment, oldest first."""
    return [rows.refund(row) for row in await session.execute(_LIST, {"payment_id": payment_id})]


async def find_by_reference(session: AsyncSession, reference: str, *, refund_id: UUID | None) -> Refund | None:
    """The refund that the provider knows by this reference, or that told it our id."""
    values = {"reference": reference, "refund_id": refund_id}
    row = (await session.execute(_FIND_BY_REFERENCE, values)).first()
    return rows.refund(row) if row else None


async def save(
    session: AsyncSession, refund_id: UUID, *, status: RefundStatus, reference: str | None, due_at: datetime
) -> None:
    """Keep what the provider said."""
    values = {"refund_id": refund_id, "status": status, "reference": reference, "due_at": due_at}
    await session.execute(_SAVE, values)


async def answer(session: AsyncSession, refund_id: UUID, *, due_at: datetime) -> None:
    """Keep that the request was told `pending`; from `due_at` on the call is repeated."""
    await session.execute(_ANSWER, {"refund_id": refund_id, "due_at": due_at})


async def take_due(session: AsyncSession, *, now: datetime) -> UUID | None:
    """Lease the pending refund that is longest due."""
    found: UUID | None = (await session.execute(_TAKE_DUE, {"now": now, "leased_until": now + LEASE})).scalar()
    return found


async def postpone(session: AsyncSession, refund_id: UUID, *, now: datetime) -> None:
    """Try again later, with growing pauses."""
    await session.execute(_POSTPONE, {"refund_id": refund_id, "now": now})
