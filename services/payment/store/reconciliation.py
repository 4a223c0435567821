"""Runs of the reconciliation and the differences that they found."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from services.payment.domain.reconciliation import (
    Difference,
    DifferenceClass,
    Repairable,
    Run,
    RunStatus,
    Subject,
    Sums,
)

_LOCK = 0x0_51DE_CA5B
"""The advisory lock's number: any constant, the same in every replica."""

_TRY_LOCK = text("SELECT pg_try_advisory_lock(:lock)")
_UNLOCK = text("SELECT pg_advisory_unlock(:lock)")
_BEGIN = text("""
INSERT INTO reconciliation_run (status, began_at)
SELECT 'running', :now WHERE NOT EXISTS (
    SELECT FROM reconciliation_run WHERE began_at > :not_since
) RETURNING id
""")
_MIRRORED_TO = text("""
SELECT period_to FROM reconciliation_run WHERE period_to IS NOT NULL ORDER BY id DESC LIMIT 1
""")
_FORGET_LOST = text("""
UPDATE reconciliation_run SET period_from = NULL, period_to = NULL, list_after = NULL
WHERE (period_to IS NOT NULL OR list_after IS NOT NULL) AND NOT EXISTS (SELECT FROM provider_movement)
""")
_KEEP_PLACE = text("UPDATE reconciliation_run SET list_since = :since, list_after = :after WHERE id = :run_id")
_FIND_PLACE = text("""
SELECT list_since, list_after FROM reconciliation_run WHERE list_after IS NOT NULL ORDER BY id DESC LIMIT 1
""")
_FORGET_PLACES = text("UPDATE reconciliation_run SET list_after = NULL WHERE list_after IS NOT NULL")
_COMPARED_AT = text("""
SELECT compared_at FROM reconciliation_run WHERE compared_at IS NOT NULL AND EXISTS (
    SELECT FROM reconciliation_run
    WHERE began_at > :whole_since AND status = 'complete' AND compared_since IS NULL
) ORDER BY id DESC LIMIT 1
""")
_KEEP_PERIOD = text("""
UPDATE reconciliation_run SET
    period_from = COALESCE(:since, (SELECT min(created_at) FROM provider_movement)),
    period_to = (SELECT max(created_at) FROM provider_movement)
WHERE id = :run_id
""")
_END = text("UPDATE reconciliation_run SET status = 'complete', ended_at = :now WHERE id = :run_id")
_FAIL = text("UPDATE reconciliation_run SET status = 'failed', ended_at = :now WHERE id = :run_id")
_LATEST = text("SELECT * FROM reconciliation_run WHERE status = 'complete' ORDER BY id DESC LIMIT 1")
_NEWEST = text("SELECT * FROM reconciliation_run ORDER BY id DESC LIMIT 1")
_PRUNE_RUNS = text("""
DELETE FROM reconciliation_run
WHERE began_at < :before AND id < (SELECT max(id) FROM reconciliation_run WHERE status = 'complete')
""")
_PRUNE_DIFFERENCES = text("DELETE FROM reconciliation_difference WHERE resolved_at < :before")
_TAKE_REPAIRABLE = text("""
UPDATE reconciliation_difference SET repair_begun_at = :now WHERE id = (
    SELECT found.id FROM reconciliation_difference AS found JOIN payment ON payment.id = found.payment_id
    WHERE resolved_at IS NULL AND (subject, found.id) > (:subject, :id) AND (
        difference = 'missing_here' AND subject = 'charge' AND captured_minor = 0
            AND COALESCE(intent_id, reference) = reference
            AND (found.currency, provider_minor) = (payment.currency, payment.amount_minor)
            AND EXISTS (SELECT FROM provider_movement WHERE provider_movement.intent_id = reference)
        OR difference = 'missing_here' AND subject = 'refund' AND here_minor IS NULL AND captured_minor > 0
            AND found.currency = payment.currency
        OR difference = 'state' AND subject = 'refund'
        OR difference = 'missing_here' AND subject = 'dispute' AND captured_minor > 0
    ) ORDER BY subject, found.id LIMIT 1
) RETURNING id, subject, subject_id, payment_id, reference, provider_minor,
    (SELECT refund.id FROM refund WHERE CAST(refund.id AS text) = subject_id) AS refund_id
""")
_COUNT = text("""
SELECT difference, count(*) AS times FROM reconciliation_difference WHERE resolved_at IS NULL GROUP BY 1 ORDER BY 1
""")
_SHOW = text("""
SELECT * FROM (
    SELECT *, row_number() OVER (PARTITION BY difference ORDER BY id DESC) AS place
    FROM reconciliation_difference WHERE resolved_at IS NULL
) AS numbered WHERE place <= :most ORDER BY difference, id
""")
_NEW = text("""
SELECT * FROM reconciliation_difference
WHERE first_run = :run_id AND resolved_at IS NULL AND difference <> 'late' ORDER BY id LIMIT :most
""")
_REPAIRED = text("""
SELECT * FROM reconciliation_difference WHERE resolved_run = :run_id AND repair_begun_at IS NOT NULL
ORDER BY id LIMIT :most
""")


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a run found: how many differences of each class are open, the newest of them, and what was repaired."""

    counts: dict[str, int]
    differences: Sequence[Difference]
    repaired: Sequence[Difference]


@dataclass(frozen=True, kw_only=True)
class Place:
    """A place in the list of the provider's movements since a moment (None: all of them), newest first."""

    since: datetime | None
    after: str | None


@asynccontextmanager
async def alone(engine: AsyncEngine) -> AsyncIterator[bool]:
    """Whether no other replica reconciles for as long as the block runs; a process that dies lets go by that."""
    async with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        is_alone: bool = (await connection.execute(_TRY_LOCK, {"lock": _LOCK})).scalar_one()
        try:
            yield is_alone
        finally:
            if is_alone:
                await connection.execute(_UNLOCK, {"lock": _LOCK})


async def begin(session: AsyncSession, *, not_within: timedelta, now: datetime) -> int | None:
    """Begin a run; None when one began within this time."""
    found: int | None = (await session.execute(_BEGIN, {"now": now, "not_since": now - not_within})).scalar()
    return found


async def mirrored_to(session: AsyncSession) -> datetime | None:
    """Up to where a whole list was mirrored, by the provider's clock; None when none was."""
    found: datetime | None = (await session.execute(_MIRRORED_TO)).scalar()
    return found


async def forget_lost(session: AsyncSession) -> None:
    """Of a copy that is empty nothing was ever mirrored, whatever runs say: it is read from the start, come what may.

    Else a run that read only some of it would pass for one that had gone on from where the last one ended.
    """
    await session.execute(_FORGET_LOST)


async def keep_place(session: AsyncSession, run_id: int, place: Place) -> None:
    """Remember how far a list is mirrored: a run that fails there need not have it read once more."""
    await session.execute(_KEEP_PLACE, {"run_id": run_id, "since": place.since, "after": place.after})


async def find_place(session: AsyncSession) -> Place | None:
    """Where a run failed in the middle of a list."""
    row = (await session.execute(_FIND_PLACE)).one_or_none()
    return Place(since=row.list_since, after=row.list_after) if row else None


async def forget_places(session: AsyncSession) -> None:
    """The list is mirrored to its end, or has to be read from its beginning."""
    await session.execute(_FORGET_PLACES)


async def compared_at(session: AsyncSession, *, whole_since: datetime) -> datetime | None:
    """The newest comparison, by the database's clock; None when there was none of everything since then."""
    found: datetime | None = (await session.execute(_COMPARED_AT, {"whole_since": whole_since})).scalar()
    return found


async def keep_period(session: AsyncSession, run_id: int, *, since: datetime | None) -> None:
    """The list from `since` on is mirrored to its end."""
    await session.execute(_KEEP_PERIOD, {"run_id": run_id, "since": since})


async def end(session: AsyncSession, run_id: int, *, now: datetime) -> None:
    """A run is complete."""
    await session.execute(_END, {"run_id": run_id, "now": now})


async def fail(session: AsyncSession, run_id: int, *, now: datetime) -> None:
    """A run could not be completed."""
    await session.execute(_FAIL, {"run_id": run_id, "now": now})


async def prune(session: AsyncSession, *, before: datetime) -> None:
    """Forget older runs and what was resolved by then; the newest complete run stays, and what the next one needs."""
    await session.execute(_PRUNE_DIFFERENCES, {"before": before})
    await session.execute(_PRUNE_RUNS, {"before": before})


async def find_newest(session: AsyncSession) -> Run | None:
    """The newest run, however it ended."""
    row = (await session.execute(_NEWEST)).one_or_none()
    return _run(row) if row else None


async def find_latest(session: AsyncSession) -> Run | None:
    """The newest run that was completed."""
    row = (await session.execute(_LATEST)).one_or_none()
    return _run(row) if row else None


async def take_repairable(session: AsyncSession, *, after: Repairable | None, now: datetime) -> Repairable | None:
    """The next open difference that can be repaired safely, charges first, since refunds need them.

    That its repair has begun is kept, so that its end will count as a repair even when this process dies.
    """
    values = {"subject": after.subject if after else "", "id": after.id if after else 0, "now": now}
    row = (await session.execute(_TAKE_REPAIRABLE, values)).one_or_none()
    return _repairable(row) if row else None


async def list_new(session: AsyncSession, run_id: int, *, most: int) -> list[Difference]:
    """Open differences that this run saw first, except those that are only late."""
    return [_difference(row) for row in await session.execute(_NEW, {"run_id": run_id, "most": most})]


async def found_by(session: AsyncSession, run_id: int, *, most: int) -> Found:
    """The open differences (the newest `most` of every class), and what this run repaired."""
    counts = await session.execute(_COUNT)
    shown = await session.execute(_SHOW, {"most": most})
    repaired = await session.execute(_REPAIRED, {"run_id": run_id, "most": most})
    return Found(
        counts={row.difference: row.times for row in counts},
        differences=[_difference(row) for row in shown],
        repaired=[_difference(row) for row in repaired],
    )


def _run(row: Row[Any]) -> Run:
    return Run(
        id=row.id,
        status=RunStatus(row.status),
        began_at=row.began_at,
        ended_at=row.ended_at,
        compared_since=row.compared_since,
        period_from=row.period_from,
        period_to=row.period_to,
        counts=row.counts,
        sums=[Sums(**one) for one in row.sums],
    )


def _difference(row: Row[Any]) -> Difference:
    return Difference(
        id=row.id,
        subject=Subject(row.subject),
        subject_id=row.subject_id,
        difference=DifferenceClass(row.difference),
        order_id=row.order_id,
        payment_id=row.payment_id,
        reference=row.reference,
        currency=row.currency,
        order_minor=row.order_minor,
        here_minor=row.here_minor,
        ledger_minor=row.ledger_minor,
        provider_minor=row.provider_minor,
        first_seen=row.first_seen,
        last_seen=row.last_seen,
    )


def _repairable(row: Row[Any]) -> Repairable:
    return Repairable(
        id=row.id,
        subject=Subject(row.subject),
        subject_id=row.subject_id,
        payment_id=row.payment_id,
        reference=row.reference,
        refund_id=row.refund_id,
        provider_minor=row.provider_minor,
    )
