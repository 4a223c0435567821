"""Payments, read and locked."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payment.domain.payables import Payable
from services.payment.domain.payment import Payment
from services.payment.domain.refunds import PaymentNotFound
from services.payment.store import rows
from services.payment.store.leases import LEASE

_FIND_OF_ORDER = text("SELECT * FROM payment WHERE order_id = :order_id")
_FIND_BY_INTENT = text("SELECT * FROM payment WHERE intent_id = :intent_id")
_GET = text("SELECT * FROM payment WHERE id = :payment_id")
_LOOK = text("""
SELECT payable.*, payment.intent_id, (
    SELECT count(*) FROM attempt WHERE attempt.payment_id = payment.id AND attempt.status <> 'open'
) AS ended
FROM payable LEFT JOIN payment ON payment.order_id = payable.order_id WHERE payable.order_id = :order_id
""")
_LOCK = text("""
SELECT payment.*, payable.state, payable.order_version, payable.order_status, payable.is_cancelled
FROM payable JOIN payment ON payment.order_id = payable.order_id WHERE payment.id = :payment_id FOR UPDATE
""")
_KEEP_INTENT = text("""
UPDATE payment SET intent_id = COALESCE(intent_id, :intent_id), updated_at = :at WHERE id = :payment_id
RETURNING intent_id
""")
_SAVE = text("""
UPDATE payment SET status = :status, captured_minor = :captured_minor, refunded_minor = :refunded_minor,
    disputed_minor = :disputed_minor, lost_minor = :lost_minor, owed_minor = :owed_minor,
    version = :version, updated_at = :at WHERE id = :id
""")
_CANCEL_AT = text("UPDATE payment SET cancel_due_at = :now WHERE id = :payment_id")
_TAKE_CANCELLATION = text("""
UPDATE payment SET cancel_tries = cancel_tries + 1, cancel_due_at = CAST(:now AS timestamptz)
    + GREATEST(:lease, pause_after(cancel_tries, interval '1 second'))
WHERE id = (
    SELECT id FROM payment WHERE cancel_due_at <= :now ORDER BY cancel_due_at LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING *
""")
_REPAY_AT = text("UPDATE payment SET debt_due_at = :due_at WHERE id = :payment_id")
_REPAYING = text("""
UPDATE payment SET debt_tries = debt_tries + 1, debt_due_at = NULL WHERE id = :payment_id RETURNING debt_tries
""")
_FIND_DEBT = text("""
SELECT id FROM payment WHERE debt_due_at <= :now AND disputed_minor = 0 ORDER BY debt_due_at LIMIT 1
""")
_DEBT_TRIES = text("SELECT debt_tries FROM payment WHERE id = :payment_id")
_CANCEL_DONE = text("UPDATE payment SET cancel_due_at = NULL WHERE id = :payment_id")


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """What is known before paying; `ended` counts the attempts so far when none of them had an intent."""

    payable: Payable
    intent_id: str | None
    ended: int


async def look(session: AsyncSession, order_id: UUID) -> Outlook | None:
    """What is known of an order that is to be paid."""
    row = (await session.execute(_LOOK, {"order_id": order_id})).one_or_none()
    return Outlook(payable=rows.payable(row), intent_id=row.intent_id, ended=row.ended) if row else None


async def get(session: AsyncSession, payment_id: UUID) -> Payment:
    """A payment.

    :raises PaymentNotFound: there is none.
    """
    row = (await session.execute(_GET, {"payment_id": payment_id})).one_or_none()
    if row is None:
        raise PaymentNotFound
    return rows.payment(row)


async def find_of_order(session: AsyncSession, order_id: UUID) -> Payment | None:
    """The payment of an order."""
    row = (await session.execute(_FIND_OF_ORDER, {"order_id": order_id})).one_or_none()
    return rows.payment(row) if row else None


async def find_by_intent(session: AsyncSession, intent_id: str) -> Payment | None:
    """The payment that an intent is for."""
    row = (await session.execute(_FIND_BY_INTENT, {"intent_id": intent_id})).one_or_none()
    return rows.payment(row) if row else None


async def lock(session: AsyncSession, payment_id: UUID) -> tuple[Payment, Payable]:
    """A payment with its payable, both locked.

    :raises PaymentNotFound: there is none.
    """
    row = (await session.execute(_LOCK, {"payment_id": payment_id})).one_or_none()
    if row is None:
        raise PaymentNotFound
    return rows.payment(row), rows.payable(row)


async def keep_intent(session: AsyncSession, payment_id: UUID, intent_id: str, *, at: datetime) -> str:
    """Remember a payment's one intent; answers which that is."""
    values = {"payment_id": payment_id, "intent_id": intent_id, "at": at}
    kept: str = (await session.execute(_KEEP_INTENT, values)).scalar_one()
    return kept


async def save(session: AsyncSession, payment: Payment, *, at: datetime) -> None:
    """Keep a locked payment as it stands now."""
    values = {name: value for name, value in vars(payment).items() if name not in {"created_at", "intent_id"}}
    await session.execute(_SAVE, values | {"at": at})


async def cancel_at(session: AsyncSession, payment_id: UUID, *, now: datetime) -> None:
    """Have the intent canceled at the provider from now on."""
    await session.execute(_CANCEL_AT, {"payment_id": payment_id, "now": now})


async def take_cancellation(session: AsyncSession, *, now: datetime) -> Payment | None:
    """Lease the payment whose intent is longest due to be canceled."""
    row = (await session.execute(_TAKE_CANCELLATION, {"now": now, "lease": LEASE})).one_or_none()
    return rows.payment(row) if row else None


async def cancellation_done(session: AsyncSession, payment_id: UUID) -> None:
    """The intent takes no money any more."""
    await session.execute(_CANCEL_DONE, {"payment_id": payment_id})


async def repay_at(session: AsyncSession, payment_id: UUID, *, due_at: datetime | None) -> None:
    """Have what is owed refunded from then on; None leaves it alone."""
    await session.execute(_REPAY_AT, {"payment_id": payment_id, "due_at": due_at})


async def find_debt(session: AsyncSession, *, now: datetime) -> UUID | None:
    """The payment whose debt is longest due; a dispute keeps it waiting."""
    found: UUID | None = (await session.execute(_FIND_DEBT, {"now": now})).scalar()
    return found


async def repaying(session: AsyncSession, payment_id: UUID) -> int:
    """Count another try to pay a locked payment's debt; answers how many there were."""
    tries: int = (await session.execute(_REPAYING, {"payment_id": payment_id})).scalar_one()
    return tries


async def debt_tries(session: AsyncSession, payment_id: UUID) -> int:
    """How often a payment's debt was tried to be paid again."""
    tries: int = (await session.execute(_DEBT_TRIES, {"payment_id": payment_id})).scalar_one()
    return tries
