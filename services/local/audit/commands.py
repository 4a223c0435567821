"""`./sidecart audit`."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import psycopg
import typer

from services.local import console
from services.local.audit import showing
from services.local.audit.auditing import audit
from services.local.audit.replay import NotAtRest, Replay
from services.local.audit.report import Report
from services.local.audit.sources import NoRecords, NoSystem, Sources, opened
from services.local.customer.place import NothingRuns
from services.local.refusals import AlreadyRunning, StartFailed
from services.local.state import State
from services.local.system import System

CANNOT = 3
"""The exit code when there is nothing to audit, or not what it takes."""
_UNAUDITED = (NoSystem, NoRecords, NothingRuns, NotAtRest, AlreadyRunning, StartFailed, psycopg.OperationalError)
"""What keeps an audit from being made: there is no system, it is starting or never at rest, a database is away."""
_PATIENCE = 600.0
"""Seconds that a system has to take every fact once more."""

AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
Rebuilds = Annotated[bool, typer.Option("--rebuild", help="Rebuild everything from its facts, too, and compare.")]
Replays = Annotated[
    bool, typer.Option("--replay", help="Publish every fact again, too; nothing may change. Needs a running system.")
]
Histories = Annotated[
    list[Path] | None,
    typer.Option("--history", exists=True, dir_okay=False, help="What clients saw (JSON Lines); may be repeated."),
]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(name="audit")(audit_command)


def audit_command(
    *, as_json: AsJson = False, rebuild: Rebuilds = False, replay: Replays = False, history: Histories = None
) -> None:
    """Check that no order, unit or cent was lost or counted twice; exit code 1 when something was."""
    try:
        report = asyncio.run(_audited(State(), history or (), rebuilds=rebuild, replays=replay))
    except _UNAUDITED as why:
        console.complain(str(why))
        raise typer.Exit(CANNOT) from None
    if as_json:
        typer.echo(showing.as_json(report))
    else:
        showing.show(report, console.out)
    if not report.is_clean:
        raise typer.Exit(1)


async def _audited(state: State, histories: Sequence[Path], *, rebuilds: bool, replays: bool) -> Report:
    system = _running(state) if replays else None
    async with opened(state, histories=histories) as sources:
        report = await audit(sources, rebuilds=rebuilds)
        return await _replayed(report, system, sources) if system is not None else report


def _running(state: State) -> System:
    record = state.running()
    if record is None:
        raise NothingRuns
    return System(state, record.offset)


async def _replayed(report: Report, system: System, sources: Sources) -> Report:
    """The report with what a replay changes; without it where that cannot be told and enough is wrong already.

    :raises NotAtRest: it cannot be told, and nothing else is wrong.
    """
    began = time.monotonic()
    try:
        replayed = await Replay.of(system, sources).run(within=_PATIENCE)
    except NotAtRest as why:
        if report.is_clean:
            raise
        console.complain(str(why))
        return report
    seconds = report.seconds + time.monotonic() - began
    counted = {**report.counted, "I9": {**report.counted["I9"], "replayed": replayed.facts}}
    return replace(report, findings=[*report.findings, *replayed.findings], counted=counted, seconds=seconds)
