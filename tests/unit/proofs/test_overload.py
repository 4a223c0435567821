"""The arithmetic of an overload, and when it is proven."""

import math
from dataclasses import replace
from typing import Any

import pytest

from services.local.chaos.history import Attempt, Outcome
from services.local.proofs import goodput, overload, rush
from services.local.proofs.goodput import Figures, Idle, Phase
from services.local.proofs.overload import Press, Result

IDLE = Idle(median=0.05, tenth=0.1)


def asked(name: str, began: float, took: float, outcome: Outcome = Outcome.OK, **told: Any) -> Attempt:
    return Attempt(
        id=f"{name}-{began}",
        process=f"{name}-1",
        function="place",
        began=began,
        value={},
        ended=began + took,
        outcome=outcome,
        told=told,
    )


def phase(name: str, began: float = 100.0, ended: float = 110.0) -> Phase:
    return Phase(name=name, began=began, ended=ended, cpu=1.0)


def light(*, since: float = 100.0, number: int = 50, took: float = 0.05) -> list[Attempt]:
    return [asked("light", since + index / 5, took) for index in range(number)]


def test_goodput_is_what_was_acknowledged_before_the_phase_ended() -> None:
    attempts = [
        asked("2x", 101.0, 1.0, order_id="a"),
        asked("2x", 102.0, 2.0, order_id="b"),
        asked("2x", 109.5, 1.0, order_id="too late to count"),
        asked("2x", 103.0, 0.01, Outcome.FAIL, error="overloaded", status=503),
        asked("2x", 104.0, 4.0, Outcome.INFO, error="no answer in time"),
        asked("2x", 105.0, 0.5, Outcome.INFO, error="store-unavailable", status=503),
        asked("light-after-2x", 105.0, 0.5, order_id="another phase"),
    ]

    figures = goodput.figures(phase("2x"), attempts)

    assert figures == Figures(rate=0.6, goodput=0.2, slowest=2.0, refused=1, late=1, otherwise=1)


def test_nothing_acknowledged_is_infinitely_slow() -> None:
    figures = goodput.figures(phase("5x"), [])

    assert (figures.goodput, figures.slowest) == (0.0, math.inf)


def test_a_light_load_that_was_never_disturbed_has_recovered_at_once() -> None:
    assert goodput.recovery(light(), IDLE, over=100.0) == 0.0


def test_recovery_begins_when_answers_are_as_fast_as_before() -> None:
    slow, fast = light(number=20, took=2.0), light(since=104.0)

    seconds = goodput.recovery([*slow, *fast], IDLE, over=100.0)

    assert 3.5 <= seconds <= 4.0


def test_a_refusal_is_no_recovery() -> None:
    refused = [replace(one, outcome=Outcome.FAIL) for one in light(number=30)]

    assert goodput.recovery([*refused, *light(since=106.0)], IDLE, over=100.0) > 5.5


@pytest.mark.parametrize("attempts", [[], light(took=1.0), light(number=10)])
def test_what_is_never_as_before_has_not_recovered(attempts: list[Attempt]) -> None:
    assert goodput.recovery(attempts, IDLE, over=100.0) == math.inf


def test_a_slow_tenth_is_not_near_idle() -> None:
    attempts = [asked("light", 100 + index, 0.05 if index % 5 else 0.5) for index in range(20)]

    assert not IDLE.is_near(attempts)


FIGURES = Figures(rate=60.0, goodput=27.0, slowest=1.5, refused=300, late=0, otherwise=0)
PROVEN = Result(
    capacity=30.0,
    idle=IDLE,
    presses=[Press(factor=factor, figures=FIGURES, recovery=0.5, share=0.05) for factor in rush.FACTORS],
    findings=0,
)


def test_an_overload_is_proven_when_every_figure_is_reached() -> None:
    verdicts = PROVEN.verdicts

    assert [one.name for one in verdicts] == [
        "goodput at 2x capacity",
        "recovery from 2x capacity",
        "goodput at 5x capacity",
        "recovery from 5x capacity",
        "audit with the customers' history",
    ]
    assert all(one.is_reached for one in verdicts)
    assert verdicts[0].reached.startswith("90%: 27.0 of 60.0 orders/s, p99 1.50 s; 300 refused")


@pytest.mark.parametrize(
    "changes",
    [
        {"findings": 1},
        {"capacity": 32.0},
        {"presses": [replace(PROVEN.presses[0], recovery=10.1)]},
        {"presses": [replace(PROVEN.presses[0], recovery=math.inf)]},
    ],
)
def test_a_single_figure_that_is_missed_is_no_proof(changes: dict[str, Any]) -> None:
    assert not all(one.is_reached for one in replace(PROVEN, **changes).verdicts)


def test_the_capacity_is_the_better_of_the_closed_loops() -> None:
    names = ["closed-8", "closed-16", rush.IDLE, "2x", "light-after-2x", "5x", "light-after-5x"]
    phases = {name: phase(name, began=100.0 * index, ended=100.0 * index + 10) for index, name in enumerate(names)}
    attempts = [asked("closed-8", 1.0, 0.1), *(asked("closed-16", 101.0 + index, 0.1) for index in range(3))]
    attempts += [asked(rush.IDLE, 201.0, 0.1), asked("5x", 501.0, 0.1)]

    result = overload.result(phases, attempts, findings=2)

    assert (result.capacity, result.findings) == (0.3, 2)
    assert result.idle.median == pytest.approx(0.1)
    assert [press.figures.goodput for press in result.presses] == [0.0, 0.1]
    assert [press.recovery for press in result.presses] == [math.inf, math.inf]
