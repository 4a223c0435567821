"""Payables: what the payment service knows of orders."""

from dataclasses import asdict
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payment.domain.payables import Payable
from services.payment.store import rows

_SAVE = text("""
INSERT INTO payable (order_id, user_id, amount_minor, currency, state, order_version, order_status)
VALUES (:order_id, :user_id, :amount_minor, :currency, :state, :order_version, :order_status)
ON CONFLICT (order_id) DO UPDATE SET order_version = EXCLUDED.order_version, order_status = EXCLUDED.order_status,
    state = CASE WHEN EXCLUDED.state = 'closed' THEN 'closed' ELSE payable.state END
WHERE payable.order_version < EXCLUDED.order_version
RETURNING order_id
""")
_ADD = text("""
INSERT INTO payable (order_id, user_id, amount_minor, currency, state, order_version, order_status)
VALUES (:order_id, :user_id, :amount_minor, :currency, :state, :order_version, :order_status)
ON CONFLICT (order_id) DO NOTHING
""")
_LOCK = text("SELECT * FROM payable WHERE order_id = :order_id FOR UPDATE")
_CLOSE = text("UPDATE payable SET state = 'closed' WHERE order_id = :order_id AND state = 'open'")


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
