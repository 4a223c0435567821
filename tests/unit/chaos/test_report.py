import json
import math
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
from services.local.chaos.run import Result
from services.local.chaos.sampling import Samples
from services.local.chaos.schedule import Deed, Victim
from tests.unit.chaos.builders import attempt, paid, stream, struck

ANY_KILL = "success back over 99 % after a service, sidecar or stand-in was killed alone, worst"
STORE_KILL = "success back over 99 % after a store was killed alone, worst"

DONE = (struck(20, alone=True), struck(28, kind=Victim.POSTGRES, alone=True), struck(40))
ZERO = Books(lost=0, oversold=0, unaccounted=0, unfinished=0)


def result(**changes: Any) -> Result:
    values: dict[str, Any] = {
        "options": run.Options(plan=schedule.Plan(seed=7, kills=3), history=Path("h")),
        "rate": 5.0,
        "began": 0.0,
        "seconds": 60.0,
        "quiet_since": 50.0,
        "machine_load": (0.5, 3.0),
        "settled_after": 3.0,
        "done": [*DONE, struck(45, kind="pause", deed=Deed.PAUSE)],
        "attempts": [*stream((20, 22)), paid(5), paid(51)],
        "samples": Samples(taken=60, oversold=0),
        "books": ZERO,
        "audited": audit.Report(findings=[], seconds=0.5),
    }
    return Result(**values | changes)


def test_a_run_in_which_everything_that_decides_is_met_is_clean() -> None:
    told = report.made(result())

    assert told.is_clean
    assert [figure.reached for figure in told.decisive if figure.most == 0] == [0] * 6
    assert [figure.reached for figure in told.decisive if figure.least is not None] == [3, 2, 60, 100, 1]
    assert [figure.reached for figure in told.decisive if figure.most] == [0, pytest.approx(2)]


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
        ({"done": DONE[:2]}, "kills", 2),
        ({"samples": Samples(taken=0, oversold=0)}, "looks at the stock", 0),
        ({"attempts": [*stream((20, 22)), paid(5)]}, "orders acknowledged as paid in the last quiet 10 s", 0),
        (
            {"attempts": [*stream((20, 22), (58, 58.2)), paid(51)]},
            "answered in the last quiet 10 s",
            pytest.approx(100 * 99 / 101),
        ),
        ({"attempts": [*stream((20, 30)), paid(5), paid(51)]}, ANY_KILL, math.inf),
        ({"attempts": [*stream((28, 40)), paid(5), paid(51)]}, STORE_KILL, math.inf),
    ],
)
def test_a_single_figure_that_is_missed_is_told(changes: dict[str, Any], name: str, reached: float) -> None:
    told = report.made(result(**changes))

    assert not told.is_clean
    assert {figure.name: figure.reached for figure in told.decisive if not figure.is_met} == {name: reached}


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


def test_a_shop_that_refuses_everybody_is_not_clean() -> None:
    refused = [attempt(moment / 10, error="unauthenticated", status=401) for moment in range(600)]
    for one in refused:
        one.outcome = Outcome.FAIL

    told = report.made(result(attempts=refused))

    assert {figure.name for figure in told.decisive if not figure.is_met} == {
        "orders acknowledged as paid",
        "orders acknowledged as paid in the last quiet 10 s",
    }


def test_a_payment_that_is_still_pending_is_not_acknowledged() -> None:
    pending = [*stream((20, 22)), paid(5, status="pending"), paid(51, status="requires_action")]

    assert not report.made(result(attempts=pending)).is_clean


def test_the_worst_of_each_class_decides_and_every_kill_stands_beside_it() -> None:
    done = [*DONE[:2], struck(36, kind=Victim.SIDECAR, alone=True)]

    told = {figure.name: figure for figure in report.made(result(done=done)).decisive}

    assert told[ANY_KILL].reached == pytest.approx(2)
    assert told[ANY_KILL].most == 15
    assert told[ANY_KILL].ratio == "service: order 2 s, sidecar: order 0 s"
    assert (told[STORE_KILL].reached, told[STORE_KILL].most) == (0, 30)


def test_a_class_of_which_nothing_was_killed_alone_has_not_recovered() -> None:
    told = {figure.name: figure for figure in report.made(result(done=[struck(20), *DONE[1:]])).decisive}

    assert told[ANY_KILL].reached == math.inf


def test_the_other_figures_say_what_was_asked_for_and_how_soon_random_kills_were_over() -> None:
    done = [*DONE, struck(41, kind=Victim.REDIS)]
    figures = {figure.name: figure for figure in report.made(result(done=done)).figures}

    assert figures["orders asked for"].reached == 600
    assert figures["orders acknowledged"].reached == 580
    assert figures["the same after a store among other strikes, p50"].reached == 0
    assert figures["the same after a store among other strikes, p50"].ratio == "worst 0 s, 0 of 1 later than 30 s"
    assert figures["answer, calm, p50"].reached == pytest.approx(100)


def test_every_strike_is_listed_with_its_recovery_if_it_was_a_kill() -> None:
    strikes = report.made(result()).strikes

    assert [(one["time"], one["back_after"]) for one in strikes] == [
        (20, pytest.approx(2)),
        (28, 0),
        (40, 0),
        (45, None),
    ]
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

    assert "2 service, 1 postgres" in console.export_text()
    assert json.loads(json.dumps(told.as_json()))["clean"] is True
    assert record.read_text().startswith("# Results\n\n## Random kills, 1970-01-01 00:01 UTC\n")
    assert "- command: ./sidecart chaos --kills 3 --seed 7 --every 9 --faults 0.5\n" in record.read_text()
    assert "- machine load: 0.5 before the customers came, 3.0 after them\n" in record.read_text()
    assert "| units oversold | ≤ 0 units | 0 units | met |  |\n" in record.read_text()
    assert f"| {STORE_KILL} | ≤ 30 s | 0 s | met | postgres: order 0 s |\n" in record.read_text()


def test_what_never_came_back_is_missed_in_the_record_and_nothing_in_json() -> None:
    told = report.made(result(attempts=[*stream((20, 30)), paid(5), paid(51)]))

    assert f"| {ANY_KILL} | ≤ 15 s | inf s | **missed** | service: order inf s |\n" in told.markdown()
    assert "Infinity" not in json.dumps(told.as_json())


def test_the_record_may_be_new(tmp_path: Path) -> None:
    report.append("## First\n", tmp_path / "RESULTS.md")

    assert (tmp_path / "RESULTS.md").read_text() == "## First\n"
