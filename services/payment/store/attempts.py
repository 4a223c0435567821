"""Attempts: found by their key, begun one at a time, settled together with their payment."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payment.domain.attempts import SUPERSEDED, Attempt
from services.payment.domain.payables import FOLLOWED_AFTER, PayableState
from services.payment.domain.payment import Payment
from services.payment.store import rows
from services.payment.store.leases import LEASE

_ATTEMPT = """
SELECT payment.*, payable.state, attempt.id AS attempt_id, attempt.n, attempt.payment_method,
    attempt.status AS attempt_status, attempt.fingerprint, attempt.decline_code, attempt.action_type,
    attempt.action_url, attempt.is_answered, attempt.tries AS attempt_tries, attempt.at
FROM payable JOIN payment ON payment.order_id = payable.order_id JOIN attempt ON attempt.payment_id = payment.id
"""
_FIND = text(_ATTEMPT + "WHERE attempt.id = :attempt_id")
_LOCK = text(_ATTEMPT + "WHERE attempt.id = :attempt_id FOR UPDATE")
_FIND_AWAITED = text(
    _ATTEMPT
    + "WHERE payment.id = :payment_id AND attempt.status IN ('open', 'requires_action') ORDER BY attempt.n DESC LIMIT 1"
)
_LIST = text("""
SELECT attempt.*, id AS attempt_id, status AS attempt_status, tries AS attempt_tries
FROM attempt WHERE payment_id = :payment_id ORDER BY n
""")
_BEGIN = text("""
WITH paid AS (
    INSERT INTO payment (id, order_id, user_id, status, amount_minor, currency, intent_id, created_at, updated_at)
    VALUES (:payment_id, :order_id, :user_id, 'pending', :amount_minor, :currency, :intent_id, :at, :at)
    ON CONFLICT (order_id) DO UPDATE SET status = 'pending', updated_at = EXCLUDED.updated_at,
        intent_id = COALESCE(payment.intent_id, EXCLUDED.intent_id)
    RETURNING *
), begun AS (
    INSERT INTO attempt (id, payment_id, n, payment_method, status, fingerprint, due_at, at)
    SELECT :attempt_id, paid.id, 1 + COALESCE((SELECT max(n) FROM attempt WHERE payment_id = paid.id), 0),
        :payment_method, 'open', :fingerprint, :due_at, :at
    FROM paid WHERE NOT EXISTS (SELECT FROM attempt WHERE payment_id = paid.id AND status = 'open')
    ON CONFLICT (id) DO UPDATE SET payment_id = EXCLUDED.payment_id, n = EXCLUDED.n, status = 'open',
        payment_method = EXCLUDED.payment_method, fingerprint = EXCLUDED.fingerprint, decline_code = NULL,
        is_answered = false, tries = 0, due_at = EXCLUDED.due_at, at = EXCLUDED.at
    WHERE attempt.status = 'failed'
    RETURNING *
)
SELECT paid.*, 'open' AS state, begun.id AS attempt_id, begun.n, begun.payment_method,
    begun.status AS attempt_status, begun.fingerprint, begun.decline_code, begun.action_type,
    begun.action_url, begun.is_answered, begun.tries AS attempt_tries, begun.at
FROM paid, begun
""")
_SETTLE = text("""
WITH paid AS (
    UPDATE payment SET status = :status, captured_minor = :captured_minor, version = :version, updated_at = :at
    WHERE id = :payment_id
), closed AS (
    UPDATE payable SET state = 'closed',
        follow_at = CASE WHEN order_status IN ('pending', 'paid') THEN CAST(:follow_at AS timestamptz) END
    WHERE order_id = :order_id AND :is_captured
)
UPDATE attempt SET
    status = CASE WHEN id = :attempt_id THEN :attempt_status ELSE 'declined' END,
    decline_code = CASE WHEN id = :attempt_id THEN :decline_code ELSE :superseded END,
    action_type = :action_type, action_url = :action_url, tries = 0, due_at = :due_at
WHERE payment_id = :payment_id AND (id = :attempt_id OR status = 'requires_action')
""")
_ANSWER = text("UPDATE attempt SET is_answered = true, due_at = :due_at WHERE id = :attempt_id AND status = 'open'")
_TAKE_DUE = text("""
UPDATE attempt SET due_at = :leased_until, tries = tries + 1 WHERE id = (
    SELECT id FROM attempt WHERE status IN ('open', 'requires_action') AND due_at <= :now
    ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING id, payment_id
""")
_POSTPONE = text("""
UPDATE attempt SET is_answered = is_answered OR at <= CAST(:dead AS timestamptz),
    due_at = CAST(:now AS timestamptz)
        + pause_after(tries, CASE status WHEN 'open' THEN interval '0.5 seconds' ELSE interval '1 minute' END)
WHERE id = :attempt_id AND status IN ('open', 'requires_action')
""")
_HURRY = text("""
UPDATE attempt SET due_at = :now WHERE payment_id = :payment_id AND status IN ('open', 'requires_action') RETURNING id
""")


@dataclass(frozen=True, kw_only=True)
class PaymentAttempt:
    """An attempt, its payment, and whether the order may still be paid."""

    payment: Payment
    attempt: Attempt
    is_payable: bool

    @property
    def is_overtaken(self) -> bool:
        """Whether a newer attempt is open while this one still waits for its customer."""
        return self.attempt.status == "requires_action" and self.payment.status == "pending"


@dataclass(frozen=True, kw_only=True)
class NewAttempt:
    """What an attempt begins with; `intent_id` is None when the provider did not answer yet."""

    attempt_id: UUID
    payment_id: UUID
    order_id: UUID
    user_id: UUID
    amount_minor: int
    currency: str
    intent_id: str | None
    payment_method: str
    fingerprint: str
    at: datetime


async def find(session: AsyncSession, attempt_id: UUID) -> PaymentAttempt | None:
    """How an attempt stands."""
    return _found((await session.execute(_FIND, {"attempt_id": attempt_id})).one_or_none())


async def find_awaited(session: AsyncSession, payment_id: UUID) -> PaymentAttempt | None:
    """The newest attempt of a payment whose outcome is still to come."""
    return _found((await session.execute(_FIND_AWAITED, {"payment_id": payment_id})).one_or_none())


async def lock(session: AsyncSession, attempt_id: UUID) -> PaymentAttempt:
    """How an attempt stands, locked with its payable and its payment."""
    row = (await session.execute(_LOCK, {"attempt_id": attempt_id})).one()
    return PaymentAttempt(
        payment=rows.payment(row), attempt=rows.attempt(row), is_payable=row.state == PayableState.OPEN
    )


async def list_of(session: AsyncSession, payment_id: UUID) -> list[Attempt]:
    """Every attempt of a payment, oldest first."""
    return [rows.attempt(row) for row in await session.execute(_LIST, {"payment_id": payment_id})]


async def begin(session: AsyncSession, new: NewAttempt) -> PaymentAttempt | None:
    """Open the next attempt under its payable's lock; None when one is open or the key holds an answer."""
    values = vars(new) | {"due_at": new.at + LEASE}
    return _found((await session.execute(_BEGIN, values)).one_or_none())


async def settle(session: AsyncSession, tried: PaymentAttempt, *, at: datetime, due_at: datetime) -> None:
    """Keep an attempt and its payment as they stand now; an attempt that still waited for its customer gives way."""
    payment, attempt = tried.payment, tried.attempt
    action = attempt.next_action
    values: dict[str, Any] = {
        "payment_id": payment.id,
        "order_id": payment.order_id,
        "status": payment.status,
        "captured_minor": payment.captured_minor,
        "is_captured": payment.is_captured,
        "version": payment.version,
        "attempt_id": attempt.id,
        "attempt_status": attempt.status,
        "decline_code": attempt.decline_code,
        "action_type": action.type if action else None,
        "action_url": action.url if action else None,
        "superseded": SUPERSEDED,
        "follow_at": at + FOLLOWED_AFTER,
        "at": at,
        "due_at": due_at,
    }
    await session.execute(_SETTLE, values)


async def answer(session: AsyncSession, attempt_id: UUID, *, due_at: datetime) -> None:
    """Keep that the request was told `pending`; from `due_at` on the outcome is looked for."""
    await session.execute(_ANSWER, {"attempt_id": attempt_id, "due_at": due_at})


async def take_due(session: AsyncSession, *, now: datetime) -> Row[Any] | None:
    """Lease the attempt (`id`, `payment_id`) that is longest due."""
    return (await session.execute(_TAKE_DUE, {"now": now, "leased_until": now + LEASE})).one_or_none()


async def postpone(session: AsyncSession, attempt_id: UUID, *, now: datetime) -> None:
    """Look again later, with growing pauses; a customer who has to authenticate is given minutes.

    A request that began longer than a lease ago is dead: whoever asks again is told `pending`.
    """
    await session.execute(_POSTPONE, {"attempt_id": attempt_id, "now": now, "dead": now - LEASE})


async def hurry(session: AsyncSession, payment_id: UUID, *, now: datetime) -> bool:
    """Look at once at whatever is awaited; answers whether anything is."""
    result = await session.execute(_HURRY, {"payment_id": payment_id, "now": now})
    return bool(result.all())


def _found(row: Row[Any] | None) -> PaymentAttempt | None:
    if row is None:
        return None
    return PaymentAttempt(
        payment=rows.payment(row), attempt=rows.attempt(row), is_payable=row.state == PayableState.OPEN
    )
