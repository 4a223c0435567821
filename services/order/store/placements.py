"""What stands about an order id, for ever: whoever writes first decides."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncSession

from services.contracts.answers import PlacementOutcome

_FIND = text("""
SELECT p.outcome, o.fingerprint FROM placement p LEFT JOIN orders o ON o.id = p.order_id WHERE p.order_id = :id
""")
_ABANDON = text("INSERT INTO placement (order_id, outcome) VALUES (:id, 'abandoned') ON CONFLICT DO NOTHING")


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The outcome, and the fingerprint of the request that placed the order."""

    outcome: PlacementOutcome
    fingerprint: str | None


async def find(session: AsyncSession, order_id: UUID) -> Standing | None:
    """What stands about an order id, if anything does."""
    row = (await session.execute(_FIND, {"id": order_id})).mappings().one_or_none()
    return _standing(row) if row else None


async def get(session: AsyncSession, order_id: UUID) -> Standing:
    """What stands about an order id of which something does: no row ever goes."""
    return _standing((await session.execute(_FIND, {"id": order_id})).mappings().one())


async def abandon(session: AsyncSession, order_id: UUID) -> None:
    """Let the order id be abandoned unless something stands about it; waits for a placing that is in flight."""
    await session.execute(_ABANDON, {"id": order_id})


def _standing(row: RowMapping) -> Standing:
    return Standing(outcome=PlacementOutcome(row["outcome"]), fingerprint=row["fingerprint"])
