import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from services.local import audit
from services.local.audit import Finding
from services.local.chaos import report, run, schedule
from services.local.chaos.asking import NONSENSE
from services.local.chaos.books import Books
from services.local.chaos.history import Outcome
from services.local.chaos.run import Result, Samples
from services.local.chaos.schedule import Deed, Victim
from tests.unit.chaos.builders import attempt, stream, struck

ZERO = Books(lost=0, oversold=0, unaccounted=0, unfinished=0)


def result(**changes: Any) -> Result:
    values: dict[str, Any] = {
        "options": run.Options(plan=schedule.Plan(seed=7, kills=2), history=Path("h")),
        "rate": 5.0,
        "began": 0.0,
        "seconds": 60.0,
        "settled_after": 3.0,
        "done": [struck(20), struck(40, kind=Victim.POSTGRES), struck(45, kind="pause", deed=Deed.PAUSE)],
        "attempts": stream(failing=(20, 22)),
        "samples": Samples(taken=60, oversold=0),
        "books": ZERO,
        "audited": audit.Report(findings=[], seconds=0.5),
    }
    return Result(**values | changes)


def test_a_run_in_which_everything_is_zero_is_clean() -> None:
    told = report.made(result())

    assert told.is_clean
    assert [figure.reached for figure in told.zeros] == [0] * 6


@pytest.mark.parametrize(
    ("changes", "name", "reached"),
    [
        ({"books": Books(lost=1, oversold=0, unaccounted=0, unfinished=0)}, "acknowledged orders lost", 1),
        ({"books": Books(lost=0, oversold=2, unaccounted=0, unfinished=0)}, "units oversold", 2),
        ({"samples": Samples(taken=9, oversold=3)}, "units oversold", 3),
        ({"books": Books(lost=0, oversold=0, unaccounted=4, unfinished=0)}, "money unaccounted for", 4),
        ({"books": Books(lost=0, oversold=0, unaccounted=0, unfinished=5)}, "unfinished processes", 5),
        (
            {
                "audited": audit.Report(
                    findings=[Finding(invariant="I4", check="twice", subject="1", told={})], seconds=1, left_off=5
                )
            },
            "findings of the audit",
            6,
        ),
    ],
)
def test_a_single_thing_that_is_not_zero_is_told(changes: dict[str, Any], name: str, reached: int) -> None:
    told = report.made(result(**changes))

    assert not told.is_clean
    assert {figure.name: figure.reached for figure in told.zeros if not figure.is_met} == {name: reached}


@pytest.mark.parametrize(
    ("outcome", "told", "count"),
    [
        (Outcome.FAIL, {"status": 404, "error": "not-found"}, 1),
        (Outcome.FAIL, {"status": 422, "error": "invalid"}, 1),
        (Outcome.INFO, {"status": 500, "error": "internal"}, 1),
        (Outcome.INFO, {"status": 200, "error": NONSENSE}, 1),
        (Outcome.INFO, {"status": 503, "error": "service-unavailable"}, 0),
        (Outcome.INFO, {"error": "no answer in time"}, 0),
        (Outcome.FAIL, {"status": 409, "error": "insufficient-stock"}, 0),
        (Outcome.FAIL, {"status": 402, "error": "payment-declined"}, 0),
    ],
)
def test_answers_that_no_good_customer_should_see_are_counted(
    outcome: Outcome, told: dict[str, Any], count: int
) -> None:
    strange = attempt(1, **told)
    strange.outcome = outcome

    assert len(report.unexplained([attempt(0), strange])) == count


def test_the_figures_say_what_was_done_and_how_soon_it_was_over() -> None:
    figures = {figure.name: figure for figure in report.made(result()).figures}

    assert figures["kills"].reached == 2
    assert figures["orders asked for"].reached == 600
    assert figures["orders acknowledged"].reached == 580
    assert figures["orders acknowledged as paid"].reached == 0
    assert figures["success back over 99 % after a service or sidecar, alone, worst of 1"].reached == pytest.approx(2)
    assert figures["success back over 99 % after a store, p50 of 1"].most == 30
    assert figures["success back over 99 % after a store, alone, worst of 1"].reached == 0
    assert figures["answer, calm, p50"].reached == pytest.approx(100)


def test_every_strike_is_listed_with_its_recovery_if_it_was_a_kill() -> None:
    strikes = report.made(result()).strikes

    assert [(one["time"], one["back_after"]) for one in strikes] == [(20, pytest.approx(2)), (40, 0), (45, None)]
    assert strikes[0]["strike"] == "service: order"


def test_a_given_rate_is_part_of_the_command() -> None:
    options = run.Options(plan=schedule.Plan(seed=7, kills=2), history=Path("h"), rate=2.5)

    assert report.made(result(options=options)).facts["command"].endswith("--every 9 --faults 0.5 --rate 2.5")


def test_a_report_is_for_people_for_programs_and_for_the_record(tmp_path: Path) -> None:
    told = report.made(result())
    console = Console(record=True, width=120)
    record = tmp_path / "RESULTS.md"
    record.write_text("# Results\n")

    for drawn in told.tables():
        console.print(drawn)
    report.append(told.markdown(), record)

    assert "1 service, 1 postgres" in console.export_text()
    assert json.loads(json.dumps(told.as_json()))["clean"] is True
    assert record.read_text().startswith("# Results\n\n## Random kills, 1970-01-01 00:01 UTC\n")
    assert "- command: ./sidecart chaos --kills 2 --seed 7 --every 9 --faults 0.5\n" in record.read_text()
    assert "| units oversold | ≤ 0 units | 0 units |" in record.read_text()


def test_the_record_may_be_new(tmp_path: Path) -> None:
    report.append("## First\n", tmp_path / "RESULTS.md")

    assert (tmp_path / "RESULTS.md").read_text() == "## First\n"
