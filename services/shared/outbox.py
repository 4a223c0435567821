"""The outbox: the only door out. A fact is a row beside the change it tells of, in the same transaction."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Column, DateTime, delete
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import Field, SQLModel, col

from services.contracts.events import Event, Topic
from services.shared import telemetry

KEPT_FOR_EVER = frozenset({Topic.ORDERS, Topic.PAYMENTS, Topic.STOCK})
"""Topics whose outbox rows are the record of what happened; they carry no personal data."""


class OutboxRow(SQLModel, table=True):
    """A fact, and whether the broker has it."""

    __tablename__ = "outbox"

    id: int | None = Field(default=None, sa_column=Column(BigInteger, primary_key=True))
    event_id: UUID = Field(unique=True)
    topic: str
    type: str
    aggregate_id: UUID
    version: int
    at: datetime = Field(sa_column=Column(DateTime(timezone=True)))
    data: dict[str, Any] = Field(sa_column=Column(JSONB))
    traceparent: str | None = None
    published_at: datetime | None = Field(default=None, sa_column=Column(DateTime(timezone=True)))


def add(session: AsyncSession, *facts: Event) -> None:
    """Write facts down, to be published once the transaction has committed.

    A fact that is already there (same aggregate, type and version) makes the transaction fail: nothing happens twice.
    """
    session.info["facts"] = True
    session.add_all(_row(fact) for fact in facts)


def _row(fact: Event) -> OutboxRow:
    return OutboxRow(
        event_id=fact.event_id,
        topic=fact.TOPIC,
        type=fact.TYPE,
        aggregate_id=fact.aggregate_id,
        version=fact.version,
        at=fact.at,
        data=fact.model_dump(mode="json"),
        traceparent=telemetry.traceparent(),
    )


async def prune(session: AsyncSession, *, before: datetime) -> None:
    """Delete published facts that need not be kept for ever."""
    old = delete(OutboxRow).where(col(OutboxRow.published_at) < before.astimezone(UTC))
    await session.execute(old.where(col(OutboxRow.topic).not_in(KEPT_FOR_EVER)))
