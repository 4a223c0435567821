import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from services.local.audit import Finding
from services.local.chaos import commands, report, run
from services.local.chaos.commands import Stage
from services.local.chaos.report import Report
from services.local.chaos.schedule import Victim
from services.local.refusals import Refusal
from services.local.runtime import Progress
from services.local.state import Phase, Record, State, birth
from services.local.system import System
from tests.unit.chaos.test_report import result


class Theatre:
    """Systems that are never started, and runs that end as they are told to."""

    def __init__(self, folder: Path) -> None:
        self.state = State(folder / "running")
        self.fresh = System(State(folder / "fresh"), 0)
        for state in (self.state, self.fresh.state):
            state.create()
        self.told: Report | Refusal = report.made(result())
        self.obstacle = ""
        self.wrecked: list[tuple[System, run.Options]] = []

    @contextmanager
    def start(self, *, env: Mapping[str, str], detour: bool) -> Iterator[System]:
        assert env == {"SIDECART_RATE_LIMIT_FACTOR": "1000"}
        yield replace(self.fresh, detour=detour)

    async def find_obstacle(self, _: Progress) -> str:
        return self.obstacle

    def wreck(self, system: System, options: run.Options) -> Report:
        self.wrecked.append((system, options))
        if isinstance(self.told, Refusal):
            raise self.told
        return self.told

    def run(self, *arguments: str) -> int:
        app = typer.Typer()
        commands.register(app, Stage(state=self.state, start=self.start, wreck=self.wreck, obstacle=self.find_obstacle))
        done = CliRunner().invoke(app, arguments)
        self.said = " ".join(done.output.split())
        return done.exit_code


@pytest.fixture
def theatre(tmp_path: Path) -> Theatre:
    return Theatre(tmp_path)


def broken() -> Report:
    finding = Finding(invariant="I3", check="oversold", subject="1", told={})
    clean = report.made(result())
    return replace(clean, findings=[finding], decisive=[replace(figure, reached=1) for figure in clean.decisive])


def test_a_clean_run_of_a_system_of_its_own_is_told_everywhere(theatre: Theatre, tmp_path: Path) -> None:
    files = ("--json", str(tmp_path / "r.json"), "--results", str(tmp_path / "R.md"))

    code = theatre.run("--kills", "17", "--seed", "3", "--rate", "2.5", "--every", "4", "--faults", "0.2", *files)

    ((system, options),) = theatre.wrecked
    assert (code, system.state, system.detour, system.is_kept) == (0, theatre.fresh.state, True, False)
    assert (options.plan.kills, options.plan.seed, options.plan.every, options.rate) == (17, 3, 4.0, 2.5)
    assert options.plan.faults == 0.2
    assert options.history.parent.parent == theatre.fresh.state.root
    assert json.loads((tmp_path / "r.json").read_text())["clean"] is True
    assert "## Random kills" in (tmp_path / "R.md").read_text()


def test_without_toxiproxy_a_system_has_no_detour_and_it_is_said_why(theatre: Theatre) -> None:
    theatre.obstacle = "There is no Go."

    code = theatre.run()

    ((system, _),) = theatre.wrecked
    assert (code, system.detour) == (0, False)
    assert "The network between its parts is not struck: There is no Go." in theatre.said


def test_there_are_at_least_as_many_kills_as_kinds_of_process(theatre: Theatre) -> None:
    assert theatre.run("--kills", str(len(Victim) - 1)) == 2
    assert theatre.wrecked == []


def test_the_running_system_is_preferred(theatre: Theatre, tmp_path: Path) -> None:
    me = os.getpid()
    theatre.state.write(Record(supervisor=me, started=birth(me), offset=5, phase=Phase.HEALTHY))

    theatre.run("--history", str(tmp_path / "h.jsonl"))

    ((system, options),) = theatre.wrecked
    assert (system, options.history) == (System(theatre.state, 5), tmp_path / "h.jsonl")


def test_a_run_that_finds_something_fails_and_keeps_everything(theatre: Theatre) -> None:
    theatre.told = broken()

    assert theatre.run() == 1
    assert theatre.fresh.is_kept


def test_a_run_that_breaks_keeps_everything_too(theatre: Theatre) -> None:
    theatre.told = Refusal("the customers are gone")

    assert theatre.run() == 1
    assert theatre.fresh.is_kept
