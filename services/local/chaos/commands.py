"""`./sidecart chaos`."""

import asyncio
import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from services.local import console
from services.local.chaos import report, run, schedule
from services.local.chaos.report import Report
from services.local.console import Steps
from services.local.state import State
from services.local.system import System

LIMITS_OFF = {"SIDECART_RATE_LIMIT_FACTOR": "1000"}


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(chaos)


def chaos(  # noqa: PLR0913 - one parameter for each option
    *,
    kills: Annotated[int, typer.Option("--kills", min=1, help="How many processes are killed.")] = 20,
    seed: Annotated[int, typer.Option("--seed", help="The same seed is the same sequence of kills.")] = 1,
    rate: Annotated[
        float | None, typer.Option("--rate", min=0.1, help="Journeys a second; else half of what can be done.")
    ] = None,
    every: Annotated[float, typer.Option("--every", min=0.5, help="Seconds between two kills on average.")] = 9.0,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the report there too.")
    ] = None,
    history: Annotated[
        Path | None, typer.Option("--history", metavar="FILE", help="Write what customers asked and were told.")
    ] = None,
    results: Annotated[
        Path | None, typer.Option("--results", metavar="FILE", help="Append a section of Markdown.")
    ] = None,
) -> None:
    """Kill processes at random while customers shop; the running system's, else those of one of its own."""
    plan = schedule.Plan(seed=seed, kills=kills, every=every)
    with _system() as system, _kept_unless_clean(system) as outcome:
        file = history or _fresh(system)
        told = wreck(system, run.Options(plan=plan, history=file, rate=rate))
        outcome.append(told.is_clean)
    if json_file is not None:
        json_file.write_text(json.dumps(told.as_json(), indent=2) + "\n")
    if results is not None:
        report.append(told.markdown(), results)
    if not told.is_clean:
        raise typer.Exit(1)


@contextmanager
def _kept_unless_clean(system: System) -> Iterator[list[bool]]:
    """A run that fails leaves its logs, databases and history behind; a clean one tells so."""
    outcome: list[bool] = []
    try:
        yield outcome
    finally:
        if outcome != [True]:
            system.keep()
            console.complain(f"Everything is kept in {system.state.root}.")


def wreck(system: System, options: run.Options) -> Report:
    """Run it and print the report."""
    result = asyncio.run(run.run(system, options, Steps(console.out)))
    told = report.made(result, [])
    for drawn in told.tables():
        console.out.print()
        console.out.print(drawn)
    for finding in told.findings:
        console.complain(json.dumps(finding))
    return told


@contextmanager
def _system() -> Iterator[System]:
    """The running system, or a fresh one."""
    record = State().running()
    if record is not None:
        yield System(State(), record.offset)
        return
    console.out.print("Nothing runs here: starting a system of its own.")
    with System.start(env=LIMITS_OFF) as system:
        yield system


def _fresh(system: System) -> Path:
    return Path(tempfile.mkdtemp(prefix="history-", dir=system.state.root)) / "history.jsonl"
