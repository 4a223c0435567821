"""What is swept: which journeys are scouted, which cases are taken, and what the report makes of them."""

import io
import json
from collections.abc import Sequence

import pytest
from rich.console import Console

from services.local.audit import Finding
from services.local.proofs import cases, commands, points, verdict
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


def result(target: Target, outcome: Outcome, *, has_died: bool = True) -> Result:
    return Result(case=Case(target=target, outcome=outcome, passage=PAY), seconds=4.0, has_died=has_died)


def report(*results: Result, targets: Sequence[Target] = (PLACED,), sample: int | None = None) -> Report:
    return Report(options=Options(seed=1, sample=sample), targets=targets, results=results, seconds=44.0)


def test_a_point_that_nobody_came_by_with_one_outcome_is_told() -> None:
    came, stayed_away = result(PLACED, Outcome.SUCCEEDS), result(PLACED, Outcome.TIMES_OUT, has_died=False)

    swept = report(came, stayed_away, sample=2)

    assert swept.has_converged
    assert swept.not_passed == [(PLACED, Outcome.TIMES_OUT)]
    assert json.loads(swept.as_json())["not_passed"] == [vars(PLACED) | {"outcome": "times_out"}]


def test_a_point_that_not_even_a_scout_came_by_with_one_outcome_is_told_by_the_whole_sweep() -> None:
    swept = report(result(PLACED, Outcome.SUCCEEDS), result(PLACED, Outcome.TIMES_OUT))

    assert swept.has_converged
    assert swept.not_passed == [(PLACED, Outcome.DECLINED)]


def test_a_point_that_was_died_at_elsewhere_in_the_journeys_was_passed() -> None:
    stayed_away, came = result(PLACED, Outcome.SUCCEEDS, has_died=False), result(PLACED, Outcome.SUCCEEDS)

    assert report(stayed_away, came, sample=1).not_passed == []


def test_a_point_that_was_died_at_with_no_outcome_fails_the_whole_sweep() -> None:
    results = (result(PLACED, Outcome.SUCCEEDS), result(PAID, Outcome.SUCCEEDS, has_died=False))

    swept = report(*results, targets=(PLACED, PAID))

    assert not swept.has_converged
    assert swept.missed == [PAID]
    assert report(*results, targets=(PLACED, PAID), sample=1).has_converged


def test_a_sweep_in_which_nothing_died_has_proven_nothing() -> None:
    assert not report(result(PLACED, Outcome.SUCCEEDS, has_died=False), sample=1).has_converged


def test_the_figure_of_a_sweep_counts_what_was_planned_what_died_and_what_did_not_come_by() -> None:
    swept = report(result(PLACED, Outcome.SUCCEEDS), result(PLACED, Outcome.DECLINED, has_died=False))

    told = commands.figure(swept)

    assert told.is_reached
    assert told.reached == (
        "1 of 1 deaths converged (1 points, 1 applications); 2 planned, 1 did not come by; 0 points never died at"
    )


def test_a_report_fails_by_a_case_and_by_a_point_that_nobody_passes() -> None:
    case = Case(target=PLACED, outcome=Outcome.DECLINED, passage=PAY)
    lost = Finding(invariant="I1", check="lost", subject="7", told={"order": 7})
    good, bad = Result(case=case, seconds=4.0), Result(case=case, seconds=40.0, failure="lost", findings=[lost])

    assert report(good).has_converged
    assert not report().has_converged
    assert not report(good, targets=(PLACED, PAID)).has_converged
    assert not report(good, bad).has_converged
    told = json.loads(report(good, bad, targets=(PLACED, PAID)).as_json())
    assert told["failures"][0]["case"] == "order dies at order.placed.before_answer (buy: pay; payment declined)"
    assert told["failures"][0]["findings"][0]["check"] == "lost"
    assert told["missed"] == [{"app_id": "payment", "point": "payment.paid.before_answer"}]
    assert (told["planned"], told["died"], told["points"]) == (2, 2, 1)


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
