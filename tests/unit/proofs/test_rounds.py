"""What a round proves, which defects are chosen, and how the proof is told."""

import json
from datetime import timedelta

import pytest

from services.local.audit import Finding
from services.local.proofs.defects import showing
from services.local.proofs.defects.defect import Defect
from services.local.proofs.defects.edit import Edit
from services.local.proofs.defects.rounds import Round, chosen, journeys_of
from services.local.proofs.defects.stage import Journey, Stage, mentions
from services.local.proofs.defects.table import DEFECTS
from services.local.refusals import Refusal


async def stroll(_: Stage) -> None:
    """Do nothing."""


async def hurry(_: Stage) -> None:
    """Do nothing, soon."""


CLOCK = Edit(file="services/order/domain/order.py", old="minutes=15", new="seconds=2")
STROLL, HURRY = Journey(act=stroll), Journey(act=hurry, clocks=(CLOCK,), later=timedelta(minutes=1))


def defect(name: str = "units-get-lost", journey: Journey = STROLL) -> Defect:
    edit = Edit(file="services/order/app.py", old="a", new="b")
    return Defect(name=name, harm="Units get lost.", edits=(edit,), journey=journey, breaks=frozenset({"I3"}))


def finding(invariant: str = "I3", check: str = "level-oversold") -> Finding:
    return Finding(invariant=invariant, check=check, subject="lamp", told={"on_hand": 1})


def done(planted: Defect | None, *findings: Finding, trouble: str = "") -> Round:
    return Round(journey="stroll", defect=planted, findings=findings, seconds=1.0, trouble=trouble)


def test_a_defect_is_caught_by_a_finding_under_an_invariant_that_it_breaks() -> None:
    assert done(defect(), finding("I3")).is_good
    assert done(defect(), finding("I3"), trouble="an order never became paid").is_good
    assert not done(defect(), finding("I9")).is_good
    assert not done(defect()).is_good


def test_a_round_without_a_defect_has_neither_findings_nor_trouble() -> None:
    assert done(None).is_good
    assert not done(None, finding()).is_good
    assert not done(None, trouble="the shop does not answer").is_good


def test_the_seed_chooses_a_sample_and_one_name_chooses_one() -> None:
    once = chosen(DEFECTS, only=None, sample=5, seed=3)

    assert len(once) == 5
    assert once == chosen(DEFECTS, only=None, sample=5, seed=3)
    assert once != chosen(DEFECTS, only=None, sample=5, seed=4)
    assert chosen(DEFECTS, only=None, sample=None, seed=1) == DEFECTS
    assert chosen(DEFECTS, only=None, sample=1000, seed=1) == DEFECTS
    assert [one.name for one in chosen(DEFECTS, only="the-inbox-is-ignored", sample=None, seed=1)] == [
        "the-inbox-is-ignored"
    ]


def test_a_defect_that_is_not_in_the_table_is_refused() -> None:
    with pytest.raises(Refusal, match="the-inbox-is-ignored"):
        chosen(DEFECTS, only="gremlins", sample=None, seed=1)


def test_every_journey_is_gone_once_without_a_defect() -> None:
    planted = [defect("one", HURRY), defect("two"), defect("three", HURRY)]

    assert journeys_of(planted) == [STROLL, HURRY]


def test_a_finding_is_ours_when_it_names_what_the_round_made() -> None:
    assert mentions(["lamp-1", {"order": None}], {"lamp-1"})
    assert mentions(["elsewhere", {"lines": [{"product": "lamp-1"}]}], {"lamp-1"})
    assert not mentions(["elsewhere", {"lines": []}], {"lamp-1"})


def test_each_round_is_told_in_a_line() -> None:
    assert "units-get-lost  [dim]I3 level-oversold[/]" in showing.line(done(defect(), finding()))
    assert "nothing was found" in showing.line(done(defect()))
    assert showing.line(done(None)) == "[green]✓[/]   1.0 s  no defect: stroll"
    assert "I3 level-oversold" in showing.line(done(None, finding()))
    assert showing.line(done(None, trouble="[the shop] is away")).endswith("\\[the shop] is away")


def test_the_figures_count_defects_and_controls_apart() -> None:
    caught, clean = showing.verdicts([done(None), done(None, finding()), done(defect(), finding())])

    assert (caught.target, caught.reached, caught.is_reached) == ("1 of 1", "1 of 1", True)
    assert (clean.target, clean.reached, clean.is_reached) == ("2 of 2", "1 of 2", False)


def test_programs_are_told_everything() -> None:
    told = json.loads(showing.as_json([done(defect(), finding()), done(None)], seed=7))

    assert told["seed"] == 7
    assert [one["defect"] for one in told["rounds"]] == ["units-get-lost", None]
    assert told["rounds"][0]["findings"][0]["check"] == "level-oversold"
