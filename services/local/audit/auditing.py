"""The audit: every check over one snapshot of everything."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from services.local.audit import (
    documents,
    events,
    history,
    journeys,
    ledger,
    orders,
    payments,
    provider,
    rebuild,
    stock,
)
from services.local.audit.checks import Count, Join, Rows, Times, Told
from services.local.audit.reading import Snapshots
from services.local.audit.report import Finding, Report, Unseen
from services.local.audit.sources import Sources

QUIET = timedelta(seconds=60)
TOLD_PER_CHECK = 100
_POLL_SECONDS = 0.5

_MODULES = (orders, history, stock, payments, ledger, provider, events, documents)
ROWS: tuple[Rows, ...] = tuple(rows for module in _MODULES for rows in module.ROWS)
JOINS: tuple[Join, ...] = (
    journeys.JOURNEYS,
    documents.TIMELINE,
    documents.AVAILABILITY,
    documents.CUSTOMERS,
    provider.MONEY,
    provider.MOVEMENTS,
    history.OPERATIONS,
    history.REFUNDS,
)
COUNTS: tuple[Count, ...] = tuple(count for module in _MODULES for count in module.COUNTS)


@dataclass
class _Findings:
    """The first so many findings of each check, and how many there were besides."""

    kept: list[Finding] = field(default_factory=list)
    seen: dict[tuple[str, str], int] = field(default_factory=dict)
    left_off: int = 0

    def add(self, invariant: str, check: str, subject: object, told: Told) -> None:
        """Keep a finding while there are few of its check."""
        seen = self.seen[invariant, check] = self.seen.get((invariant, check), 0) + 1
        if seen > TOLD_PER_CHECK:
            self.left_off += 1
        else:
            self.kept.append(Finding(invariant=invariant, check=check, subject=str(subject), told=told))


async def audit(
    sources: Sources, *, quiet: timedelta = QUIET, now: datetime | None = None, rebuilds: bool = False
) -> Report:
    """Look for everything that breaks an invariant.

    :param quiet: what is younger than this may still be under way and is no finding.
    :param now: when it is, for tests.
    :param rebuilds: rebuild every aggregate and every document from its facts, too.
    """
    times = Times(now=now or datetime.now(UTC), quiet=quiet)
    return await asyncio.to_thread(_audit, sources, times, (*JOINS, *rebuild.JOINS) if rebuilds else JOINS)


async def until_clean(sources: Sources, *, within: float, rebuilds: bool = False) -> Report:
    """Audit without excusing what is young, again and again until it is clean; answers the last report.

    :param within: seconds after which whatever is found stays found.
    :param rebuilds: rebuild every aggregate and every document from its facts, too.
    :raises psycopg.OperationalError: a database was away until the end.
    """
    deadline = time.monotonic() + within
    while True:
        try:
            report = await audit(sources, quiet=timedelta(), rebuilds=rebuilds)
            if report.is_clean or time.monotonic() >= deadline:
                return report
        except psycopg.OperationalError:
            if time.monotonic() >= deadline:
                raise
        await asyncio.sleep(_POLL_SECONDS)


def _audit(sources: Sources, times: Times, joins: Sequence[Join]) -> Report:
    began = time.monotonic()
    findings = _Findings()
    with Snapshots(documents.PARAMETERS, times).open(sources) as snapshots:
        for invariant, check, subject, told in _everything_wrong(snapshots, times, joins):
            findings.add(invariant, check, subject, told)
        counted, unseen = _counted(snapshots), list(_unseen(snapshots, joins))
    return Report(
        findings=findings.kept,
        unseen=unseen,
        counted=counted,
        seconds=time.monotonic() - began,
        left_off=findings.left_off,
    )


def _unseen(snapshots: Snapshots, joins: Sequence[Join]) -> Iterator[Unseen]:
    for rows in ROWS:
        for source in snapshots.missing(rows.service):
            yield Unseen(invariant=rows.invariant, check=rows.name, source=source)
    for join in joins:
        for source in sorted(snapshots.missing(*join.services)):
            yield from (Unseen(invariant=one.invariant, check=one.name, source=source) for one in join.compares)


def _everything_wrong(
    snapshots: Snapshots, times: Times, joins: Sequence[Join]
) -> Iterator[tuple[str, str, Any, Told]]:
    for rows in ROWS:
        if not snapshots.missing(rows.service):
            yield from _wrong_rows(snapshots, rows)
    for join in joins:
        if not snapshots.missing(*join.services):
            yield from _wrong_joined(snapshots, join, times)


def _wrong_rows(snapshots: Snapshots, rows: Rows) -> Iterator[tuple[str, str, Any, Told]]:
    for row in snapshots.rows(rows.service, rows.finds):
        told = row._asdict()
        subject = told.pop("subject")
        yield rows.invariant, rows.name, subject, {"service": rows.service, **told}


def _wrong_joined(snapshots: Snapshots, join: Join, times: Times) -> Iterator[tuple[str, str, Any, Told]]:
    for found in snapshots.joined(join):
        for compare in join.compares:
            told = compare.wrong(found, times)
            if told is not None:
                yield compare.invariant, compare.name, found.id, told


def _counted(snapshots: Snapshots) -> dict[str, dict[str, int]]:
    counted: dict[str, dict[str, int]] = {}
    for count in COUNTS:
        if not snapshots.missing(count.service):
            nouns = counted.setdefault(count.invariant, {})
            nouns[count.noun] = nouns.get(count.noun, 0) + snapshots.one(count.service, count.counts)
    return counted
