"""What is swept: which journeys are scouted, which cases are taken, and what the report makes of them."""

import io
import json

import pytest
from rich.console import Console

from services.local.audit import Finding
from services.local.proofs import cases, points, verdict
from services.local.proofs.cases import Case, Options, Report, Result
from services.local.proofs.journeys import JOURNEYS
from services.local.proofs.scouting import Passage, Target
from services.local.proofs.shop import Outcome
from services.local.proofs.verdict import Verdict

PAY = Passage("buy", "pay")
SHIP = Passage("buy", "ship")
PLACED, PAID = Target("order", "order.placed.before_answer"), Target("payment", "payment.paid.before_answer")
PASSAGES = {
    (PLACED, Outcome.SUCCEEDS): [PAY, SHIP],
    (PLACED, Outcome.DECLINED): [PAY],
    (PAID, Outcome.SUCCEEDS): [SHIP],
}


def test_every_point_is_swept_in_every_application_that_runs_it() -> None:
    targets = cases.targets(Options(seed=1))

    assert {target.point for target in targets} == {point.name for point in points.find()}
    assert Target("user", "relay.published.before_mark") in targets
    assert Target("user", "event.handled.before_commit") not in targets


def test_the_whole_sweep_scouts_every_journey_with_every_outcome() -> None:
    scouted = list(cases.scouted(Options(seed=1)))

    assert len(scouted) == len(set(scouted)) == len(JOURNEYS) * len(Outcome)


def test_a_sample_scouts_a_journey_for_each_outcome_as_the_seed_falls() -> None:
    first, again, other = (list(cases.scouted(Options(seed=seed, sample=3))) for seed in (1, 1, 2))

    assert first == again != other
    assert {outcome for _, outcome in first} == set(Outcome)
    assert len({journey for journey, _ in first}) == len(Outcome)


def test_each_point_and_outcome_is_one_case_and_every_passage_when_it_is_thorough() -> None:
    usual, thorough = (cases.chosen(PASSAGES, Options(seed=1, thorough=thorough)) for thorough in (False, True))

    assert [(case.target, case.outcome) for case in usual] == sorted(PASSAGES)
    assert len(thorough) == sum(len(where) for where in PASSAGES.values())
    assert usual == cases.chosen(PASSAGES, Options(seed=1))


@pytest.mark.parametrize(
    ("size", "taken"), [(1, ["order"]), (2, ["order", "payment"]), (9, ["order", "order", "payment"])]
)
def test_a_sample_takes_of_every_application_in_turn(size: int, taken: list[str]) -> None:
    first = cases.chosen(PASSAGES, Options(seed=1, sample=size))[:size]

    assert sorted(case.target.app_id for case in first) == taken


def test_a_report_fails_by_a_case_and_by_a_point_that_nobody_passes() -> None:
    case = Case(target=PLACED, outcome=Outcome.DECLINED, passage=PAY)
    lost = Finding(invariant="I1", check="lost", subject="7", told={"order": 7})
    good, bad = Result(case=case, seconds=4.0), Result(case=case, seconds=40.0, failure="lost", findings=[lost])

    def report(*results: Result, missed: tuple[Target, ...] = ()) -> Report:
        return Report(options=Options(seed=1), results=results, missed=missed, seconds=44.0)

    assert report(good).has_converged
    assert not report().has_converged
    assert not report(good, missed=(PAID,)).has_converged
    assert not report(good, bad).has_converged
    told = json.loads(report(good, bad, missed=(PAID,)).as_json())
    assert told["failures"][0]["case"] == "order dies at order.placed.before_answer (buy: pay; payment declined)"
    assert told["failures"][0]["findings"][0]["check"] == "lost"
    assert told["missed"] == [{"app_id": "payment", "point": "payment.paid.before_answer"}]
    assert (told["cases"], told["points"]) == (2, 1)


def test_a_verdict_is_a_line_with_its_target() -> None:
    written = io.StringIO()
    out = Console(file=written, width=120)
    reached = Verdict(name="sweep", target="all converge", reached="3 of 3", is_reached=True)
    missed = Verdict(name="race", target="100 sold", reached="101 sold", is_reached=False)

    assert verdict.tell(reached, to=out)
    assert not verdict.tell(reached, missed, to=out)
    assert [line.split() for line in written.getvalue().splitlines()][-1] == [
        "race",
        "100",
        "sold",
        "101",
        "sold",
        "missed",
    ]
