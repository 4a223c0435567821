"""`./sidecart chaos`."""

import asyncio
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from services.local import console
from services.local.chaos import report, run, schedule
from services.local.chaos.report import Report
from services.local.chaos.schedule import Victim
from services.local.console import Steps
from services.local.state import State
from services.local.system import System

LIMITS_OFF = {"SIDECART_RATE_LIMIT_FACTOR": "1000"}
"""The environment of a system whose customers all come from one address."""

Kills = Annotated[
    int,
    typer.Option(
        "--kills",
        min=len(Victim),
        help="How many processes are killed; alone first one of each kind, in a long run every service and sidecar.",
    ),
]
Seed = Annotated[int, typer.Option("--seed", help="The same seed is the same sequence of kills.")]
Rate = Annotated[float | None, typer.Option("--rate", min=0.1, help="Journeys a second; else half of what it can do.")]
Every = Annotated[float, typer.Option("--every", min=0.5, help="Seconds between two random kills on average.")]
Faults = Annotated[float, typer.Option("--faults", min=0, max=1, help="Other faults for each random kill.")]
JsonFile = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the report there too.")]
HistoryFile = Annotated[Path | None, typer.Option("--history", metavar="FILE", help="Write what customers saw there.")]
Results = Annotated[Path | None, typer.Option("--results", metavar="FILE", help="Append a section of Markdown there.")]


def wreck(system: System, options: run.Options) -> Report:
    """Do it to a system."""
    return report.made(asyncio.run(run.run(system, options, Steps(console.out))))


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Where a run happens: in the system of this state folder, else in one that `start` makes; `wreck` is the run."""

    state: State = field(default_factory=State)
    start: Callable[..., AbstractContextManager[System]] = System.start
    wreck: Callable[[System, run.Options], Report] = wreck

    @contextmanager
    def system(self) -> Iterator[System]:
        """The running system, or a fresh one."""
        record = self.state.running()
        if record is not None:
            yield System(self.state, record.offset)
            return
        console.out.print("Nothing runs here: starting a system of its own.")
        with self.start(env=LIMITS_OFF) as system:
            yield system


def register(app: typer.Typer, stage: Stage | None = None) -> None:
    """Add the command to the command line."""
    app.command("chaos")(Command(stage or Stage()).chaos)


@dataclass(frozen=True)
class Command:
    """The command, on its stage."""

    stage: Stage

    def chaos(  # noqa: PLR0913 - one parameter for each option
        self,
        *,
        kills: Kills = 20,
        seed: Seed = 1,
        rate: Rate = None,
        every: Every = 9.0,
        faults: Faults = 0.5,
        json_file: JsonFile = None,
        history: HistoryFile = None,
        results: Results = None,
    ) -> None:
        """Kill processes at random while customers shop; the running system's, else those of one of its own."""
        plan = schedule.Plan(seed=seed, kills=kills, every=every, faults=faults)
        with self.stage.system() as system, _kept_unless_clean(system) as outcome:
            told = self.stage.wreck(system, run.Options(plan=plan, history=history or _fresh(system), rate=rate))
            outcome.append(told.is_clean)
        _show(told)
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


def _show(told: Report) -> None:
    for drawn in told.tables():
        console.out.print()
        console.out.print(drawn)
    for finding in told.findings:
        console.complain(str(finding))


def _fresh(system: System) -> Path:
    return Path(tempfile.mkdtemp(prefix="history-", dir=system.state.root)) / "history.jsonl"
