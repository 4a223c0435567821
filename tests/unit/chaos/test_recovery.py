import math

import pytest

from services.local.chaos import recovery
from services.local.chaos.schedule import Deed, Victim
from tests.unit.chaos.builders import attempt, stream, struck


def test_recovery_is_the_time_until_a_window_without_failures_begins() -> None:
    assert recovery.back_after(stream((20, 24)), 19.9, until=60) == pytest.approx(4.1)


def test_who_noticed_nothing_has_recovered_at_once() -> None:
    assert recovery.back_after(stream(), 20, until=60) == 0
    assert recovery.back_after(stream((40, 42)), 20, until=60) == 0


def test_one_failure_in_a_hundred_is_success() -> None:
    requests = sorted(
        [*stream((20, 21)), attempt(21.5, ok=False), *[attempt(21.5) for _ in range(100)]],
        key=lambda one: one.began,
    )

    assert recovery.back_after(requests, 20, until=60) == pytest.approx(1.0)


def test_a_few_good_answers_between_failures_are_no_recovery() -> None:
    assert recovery.back_after(stream((20, 22), (25, 28)), 20, until=60) == pytest.approx(8)


@pytest.mark.parametrize("until", [30, 33, 60])
def test_what_fails_until_nobody_looks_any_more_has_never_recovered(until: float) -> None:
    assert recovery.back_after(stream((20, 30)), 20, until=until) == (math.inf if until < 35 else pytest.approx(10))


def test_a_shop_that_nobody_asked_has_not_answered() -> None:
    assert recovery.back_after([], 20, until=60) == math.inf
    assert recovery.success(stream(until=20), 20, 60) == 0
    assert recovery.recoveries([], [struck(20)])[0].seconds == math.inf


def test_only_kills_have_a_recovery() -> None:
    done = [struck(50), struck(20), struck(21, deed=Deed.PAUSE, seconds=3), struck(22, kind=Victim.POSTGRES)]

    healed = recovery.recoveries(stream((20, 24)), done)

    assert [one.struck.time for one in healed] == [20, 22, 50]
    assert [round(one.seconds, 1) for one in healed] == [4, 2, 0]


def test_a_kill_that_is_alone_is_recovered_from_before_the_next() -> None:
    requests = stream((10, 30), (40, 44))
    done = [struck(10, alone=True), struck(30, alone=True), struck(40, alone=True), struck(55)]

    healed = recovery.recoveries(requests, done)

    assert [one.seconds for one in healed] == [math.inf, 0, pytest.approx(4), math.inf]


def test_answers_near_a_strike_are_told_apart_from_calm_ones() -> None:
    requests = [attempt(10, took=0.1), attempt(19.8, took=1.0), attempt(22, took=2.0), attempt(23, ok=False)]
    done = [struck(20)]

    took = recovery.latencies(requests, done, recovery.recoveries(requests, done))

    assert took.calm == pytest.approx([0.1])
    assert took.disturbed == pytest.approx([1.0, 2.0])


def test_kills_are_counted_by_kind() -> None:
    done = [struck(1), struck(2, kind=Victim.BROKER), struck(3), struck(4, kind="pause", deed=Deed.PAUSE)]

    assert recovery.kills_by_kind(done) == {"service": 2, "broker": 1}
