"""`./sidecart test`: the linters, then the tests of the chosen tier, with one summary and one exit code."""

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from rich.console import Console

from services.local.topology import ROOT

_PROGRAMS = Path(sys.executable).parent
_CODE = ("services", "tests", "sidecart")

_MEASURING = {"COVERAGE_PROCESS_START": str(ROOT / "pyproject.toml"), "COVERAGE_FILE": str(ROOT / ".coverage")}
"""What makes every Python process measure itself: the tests, their workers, and the services that they start."""


class Tier(StrEnum):
    """Which tests."""

    UNIT = "unit"
    SERVICE = "service"
    SYSTEM = "system"
    ALL = "all"


FOLDERS = {
    Tier.UNIT: ("tests/architecture", "tests/contracts", "tests/unit"),
    Tier.SERVICE: ("tests/service",),
    Tier.SYSTEM: ("tests/system",),
}
"""What each tier runs; all of them together are what is counted for coverage."""


@dataclass(frozen=True, slots=True)
class Step:
    """One command whose exit code decides."""

    name: str
    command: tuple[str, ...]
    measured: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a step ended, and after how many seconds."""

    step: Step
    code: int
    seconds: float


def run(tier: Tier, console: Console) -> int:
    """Lint and test a tier; returns the exit code of the whole."""
    return run_all(steps(tier), console)


def run_all(chosen: Iterable[Step], console: Console) -> int:
    """Run every step, also after one has failed, and print a summary; returns the exit code of the whole."""
    outcomes = [_run(step, console) for step in chosen]
    console.rule("summary")
    for outcome in outcomes:
        mark = "[green]passed[/]" if outcome.code == 0 else "[red]failed[/]"
        console.print(f"{mark}  {outcome.step.name:20} {outcome.seconds:6.1f} s")
    return int(any(outcome.code for outcome in outcomes))


def steps(tier: Tier) -> tuple[Step, ...]:
    """What the tier consists of, the quickest first."""
    return (*_LINTERS, *tests(tier))


def tests(tier: Tier) -> Iterable[Step]:
    """The test runs of a tier. All tiers together are measured, and must cover what pyproject.toml demands.

    Of a whole system only the tests' own process is measured: the others run as fast as they are.
    """
    if tier is not Tier.ALL:
        yield Step(f"{tier} tests", _pytest(tier))
        return
    yield Step("forget coverage", _module("coverage", "erase"))
    yield Step("unit tests", _pytest(Tier.UNIT), measured=True)
    yield Step("service tests", _pytest(Tier.SERVICE), measured=True)
    yield Step("system tests", _pytest(Tier.SYSTEM, "coverage", "run", "-m"))
    yield Step("combine coverage", _module("coverage", "combine", "--quiet"))
    yield Step("coverage", _module("coverage", "report"))


def _pytest(tier: Tier, *under: str) -> tuple[str, ...]:
    workers = () if tier is Tier.SYSTEM else ("-n", "logical")
    return _module(*under, "pytest", "-q", *workers, *FOLDERS[tier])


def _program(name: str, *arguments: str) -> tuple[str, ...]:
    return (str(_PROGRAMS / name), *arguments)


def _module(name: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", name, *arguments)


def _run(step: Step, console: Console) -> Outcome:
    console.rule(step.name)
    began = time.monotonic()
    environment = {**os.environ, **(_MEASURING if step.measured else {})}
    code = subprocess.run(step.command, cwd=ROOT, env=environment, check=False).returncode  # noqa: S603 - ours
    return Outcome(step, code, time.monotonic() - began)


_LINTERS = (
    Step("ruff check", _program("ruff", "check", "--quiet", *_CODE)),
    Step("ruff format", _program("ruff", "format", "--check", "--quiet", *_CODE)),
    Step("mypy", _program("mypy", "--no-error-summary", *_CODE)),
    Step("import contracts", _program("lint-imports", "--no-logo")),
)
