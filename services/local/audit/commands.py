"""`./sidecart audit`."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from services.local import console
from services.local.audit import showing
from services.local.audit.auditing import audit
from services.local.audit.report import Report
from services.local.audit.sources import NoSystem, opened
from services.local.state import State

NO_SYSTEM = 3
"""The exit code when there is nothing to audit."""

AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]
Histories = Annotated[
    list[Path] | None,
    typer.Option("--history", exists=True, dir_okay=False, help="What clients saw (JSON Lines); may be repeated."),
]


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(name="audit")(audit_command)


def audit_command(*, as_json: AsJson = False, history: Histories = None) -> None:
    """Check that no order, unit or cent was lost or counted twice; exit code 1 when something was."""
    try:
        report = asyncio.run(_audited(State(), history or ()))
    except NoSystem as refusal:
        console.complain(str(refusal))
        raise typer.Exit(NO_SYSTEM) from None
    if as_json:
        typer.echo(showing.as_json(report))
    else:
        showing.show(report, console.out)
    if not report.is_clean:
        raise typer.Exit(1)


async def _audited(state: State, histories: Sequence[Path]) -> Report:
    async with opened(state, histories=histories) as sources:
        return await audit(sources)
