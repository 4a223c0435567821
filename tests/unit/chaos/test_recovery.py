import pytest

from services.local.chaos import recovery
from services.local.chaos.schedule import Deed, Victim
from tests.unit.chaos.builders import attempt, stream, struck


def test_recovery_is_the_time_until_a_window_without_failures_begins() -> None:
    assert recovery.back_after(stream(failing=(20, 24)), 19.9) == pytest.approx(4.1)


def test_who_noticed_nothing_has_recovered_at_once() -> None:
    assert recovery.back_after(stream(), 20) == 0
    assert recovery.back_after(stream(failing=(40, 42)), 20) == 0


def test_one_failure_in_a_hundred_is_success() -> None:
    requests = sorted(
        [*stream(failing=(20, 21)), attempt(21.5, ok=False), *[attempt(21.5) for _ in range(100)]],
        key=lambda one: one.began,
    )

    assert recovery.back_after(requests, 20) == pytest.approx(1.0)


def test_a_single_good_answer_between_failures_is_no_recovery() -> None:
    requests = stream(failing=(20, 25))
    requests[220] = attempt(22.0)

    assert recovery.back_after(requests, 20) == pytest.approx(5.0)


def test_what_never_recovers_takes_until_the_end() -> None:
    assert recovery.back_after(stream(failing=(20, 60), until=30), 20) == pytest.approx(9.9)


def test_only_kills_have_a_recovery_and_it_tells_whether_something_else_disturbed_it() -> None:
    requests = stream(failing=(20, 24))
    kills = [struck(20), struck(22, kind=Victim.POSTGRES), struck(50)]

    healed = recovery.recoveries(requests, [*kills, struck(21, deed=Deed.PAUSE, seconds=3)])

    assert [one.struck.time for one in healed] == [20, 22, 50]
    assert [round(one.seconds, 1) for one in healed] == [4, 2, 0]
    assert [one.alone for one in healed] == [False, False, True]
    assert [one.target for one in healed] == [15, 30, 15]


def test_answers_near_a_strike_are_told_apart_from_calm_ones() -> None:
    requests = [attempt(10, took=0.1), attempt(19.8, took=1.0), attempt(22, took=2.0), attempt(23, ok=False)]
    done = [struck(20)]

    took = recovery.latencies(requests, done, recovery.recoveries(requests, done))

    assert took.calm == pytest.approx([0.1])
    assert took.disturbed == pytest.approx([1.0, 2.0])


def test_kills_are_counted_by_kind() -> None:
    done = [struck(1), struck(2, kind=Victim.BROKER), struck(3), struck(4, kind="pause", deed=Deed.PAUSE)]

    assert recovery.kills_by_kind(done) == {"service": 2, "broker": 1}
