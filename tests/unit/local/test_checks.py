import sys
from pathlib import Path

import pytest
from rich.console import Console

from services.local import checks
from services.local.checks import Step, Tier
from services.local.topology import ROOT


def fake(name: str, code: int) -> Step:
    return Step(name, (sys.executable, "-c", f"raise SystemExit({code})"))


def test_every_tier_begins_with_the_linters() -> None:
    for tier in Tier:
        assert [step.name for step in checks.steps(tier)][:4] == [
            "ruff check",
            "ruff format",
            "mypy",
            "import contracts",
        ]


def test_a_single_tier_runs_its_own_folders_without_measuring() -> None:
    (step,) = checks.tests(Tier.SERVICE)

    assert step.command[-1] == "tests/service"
    assert not step.measured


def test_all_tiers_are_measured_together_and_their_coverage_decides() -> None:
    steps = list(checks.tests(Tier.ALL))

    measured = [step for step in steps if step.measured or "run" in step.command]
    run = {folder for step in measured for folder in step.command if folder.startswith("tests/")}
    assert run == {folder for folders in checks.FOLDERS.values() for folder in folders}
    assert steps[-1].command[-2:] == ("coverage", "report")


def test_a_whole_system_is_not_slowed_by_measuring_it() -> None:
    (step,) = (step for step in checks.tests(Tier.ALL) if step.command[-1] == "tests/system")

    assert not step.measured
    assert step.command[1:5] == ("-m", "coverage", "run", "-m")


def test_every_folder_of_tests_belongs_to_a_tier() -> None:
    present = {f"tests/{path.parent.name}" for path in (ROOT / "tests").glob("*/__init__.py")}

    assert present - {"tests/load"} == {folder for folders in checks.FOLDERS.values() for folder in folders}


def test_one_failed_step_fails_the_whole_and_the_others_still_run() -> None:
    page = Console(record=True, width=100)

    code = checks.run_all((fake("first", 1), fake("second", 0)), page)

    summary = [line.split()[:2] for line in page.export_text().splitlines() if line.endswith(" s")]
    assert code == 1
    assert summary == [["failed", "first"], ["passed", "second"]]


def test_everything_passed_is_success() -> None:
    assert checks.run_all((fake("only", 0),), Console(record=True)) == 0


def test_a_measured_step_tells_every_python_process_to_measure_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COVERAGE_PROCESS_START", raising=False)
    told = tmp_path / "told"
    code = f"import os; open({str(told)!r}, 'a').write(os.environ.get('COVERAGE_PROCESS_START', 'nothing') + ' ')"
    command = (sys.executable, "-S", "-c", code)

    checks.run_all((Step("plain", command), Step("measured", command, measured=True)), Console(record=True))

    assert told.read_text().split() == ["nothing", str(ROOT / "pyproject.toml")]
