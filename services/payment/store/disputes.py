"""Disputes, by the provider's id. Whoever changes one holds its payment's lock."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payment.domain.disputes import Dispute
from services.payment.store import rows

_FIND = text("SELECT * FROM dispute WHERE id = :id")
_LIST = text("SELECT * FROM dispute WHERE payment_id = :payment_id ORDER BY opened_at, id")
_SAVE = text("""
INSERT INTO dispute (id, payment_id, amount_minor, currency, reason, status, opened_at, updated_at)
VALUES (:id, :payment_id, :amount_minor, :currency, :reason, :status, :opened_at, :updated_at)
ON CONFLICT (id) DO UPDATE SET amount_minor = EXCLUDED.amount_minor, reason = EXCLUDED.reason,
    status = EXCLUDED.status, updated_at = EXCLUDED.updated_at
""")


async def find(session: AsyncSession, dispute_id: str) -> Dispute | None:
    """A dispute, if it was heard of."""
    row = (await session.execute(_FIND, {"id": dispute_id})).one_or_none()
    return rows.dispute(row) if row else None


async def list_of(session: AsyncSession, payment_id: UUID) -> list[Dispute]:
    """Every dispute of a payment, oldest first."""
    return [rows.dispute(row) for row in await session.execute(_LIST, {"payment_id": payment_id})]


async def save(session: AsyncSession, dispute: Dispute) -> None:
    """Keep a dispute as it stands now."""
    await session.execute(_SAVE, vars(dispute))
