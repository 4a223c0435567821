"""Payables: what the payment service knows of orders."""

from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payment.domain.payables import FOLLOWED_AFTER, Payable
from services.payment.store import rows

_SAVE = text("""
INSERT INTO payable (order_id, user_id, amount_minor, currency, state, order_version, order_status, is_cancelled)
VALUES (:order_id, :user_id, :amount_minor, :currency, :state, :order_version, :order_status, :is_cancelled)
ON CONFLICT (order_id) DO UPDATE SET order_version = EXCLUDED.order_version, order_status = EXCLUDED.order_status,
    state = CASE WHEN EXCLUDED.state = 'closed' THEN 'closed' ELSE payable.state END,
    is_cancelled = payable.is_cancelled OR EXCLUDED.is_cancelled,
    follow_at = CASE WHEN EXCLUDED.order_status IN ('pending', 'paid') THEN payable.follow_at END
WHERE payable.order_version < EXCLUDED.order_version
RETURNING order_id
""")
_ADD = text("""
INSERT INTO payable (order_id, user_id, amount_minor, currency, state, order_version, order_status, is_cancelled)
VALUES (:order_id, :user_id, :amount_minor, :currency, :state, :order_version, :order_status, :is_cancelled)
ON CONFLICT (order_id) DO NOTHING
""")
_LOCK = text("SELECT * FROM payable WHERE order_id = :order_id FOR UPDATE")
_CLOSE = text("UPDATE payable SET state = 'closed' WHERE order_id = :order_id AND state = 'open'")

_PAID = text("""
UPDATE payable SET state = 'closed',
    follow_at = CASE WHEN order_status IN ('pending', 'paid') THEN CAST(:follow_at AS timestamptz) END
WHERE order_id = :order_id
""")
_TAKE_FOLLOWED = text("""
UPDATE payable SET follow_at = CAST(:now AS timestamptz)
    + LEAST(interval '1 day', GREATEST(interval '1 hour', CAST(:now AS timestamptz) - payment.created_at))
FROM payment WHERE payment.order_id = payable.order_id AND payable.order_id = (
    SELECT order_id FROM payable WHERE follow_at <= :now ORDER BY follow_at LIMIT 1 FOR UPDATE SKIP LOCKED
) RETURNING payable.order_id
""")


async def save(session: AsyncSession, payable: Payable) -> bool:
    """Keep what is newer; locks the row either way. Closed stays closed. False for what is old news."""
    return (await session.execute(_SAVE, asdict(payable))).first() is not None


async def add(session: AsyncSession, payable: Payable) -> None:
    """Keep a payable that nothing is known of; what is known stays."""
    await session.execute(_ADD, asdict(payable))


async def lock(session: AsyncSession, order_id: UUID) -> Payable | None:
    """The payable, locked: every change of the order's payment waits for this."""
    row = (await session.execute(_LOCK, {"order_id": order_id})).one_or_none()
    return rows.payable(row) if row else None


async def close(session: AsyncSession, order_id: UUID) -> None:
    """Let no new attempt begin."""
    await session.execute(_CLOSE, {"order_id": order_id})


async def paid(session: AsyncSession, order_id: UUID, *, at: datetime) -> None:
    """Its money was taken: let no other attempt begin, and follow the order until it is on its way or has ended."""
    await session.execute(_PAID, {"order_id": order_id, "follow_at": at + FOLLOWED_AFTER})


async def take_followed(session: AsyncSession, *, now: datetime) -> UUID | None:
    """The order that is longest due to be asked for; next time it rests as long as it was paid ago, at most a day."""
    found: UUID | None = (await session.execute(_TAKE_FOLLOWED, {"now": now})).scalar()
    return found
