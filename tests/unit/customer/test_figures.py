import io
import os

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from services.local.customer import figures, meter, verdicts
from services.local.customer.figures import Figure
from services.local.customer.load import Measured
from services.local.customer.verdicts import Load
from services.local.state import Kind, Phase, Record, Running, birth


def test_percentiles_are_values_that_were_measured() -> None:
    values = [5.0, 1.0, 4.0, 2.0, 3.0]

    assert [figures.percentile(values, share) for share in (0.0, 0.2, 0.5, 0.99, 1.0)] == [1.0, 1.0, 3.0, 5.0, 5.0]


@given(st.lists(st.floats(allow_nan=False), min_size=1), st.floats(min_value=0, max_value=1))
def test_at_least_the_share_of_values_is_not_above_a_percentile(values: list[float], share: float) -> None:
    found = figures.percentile(values, share)

    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) * 0.999999


def test_nothing_measured_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="no values"):
        figures.percentile([], 0.5)


def test_an_open_loop_begins_at_even_moments() -> None:
    assert list(figures.schedule(4, 1.5)) == [0, 0.25, 0.5, 0.75, 1.0, 1.25]
    assert list(figures.schedule(0.5, 1)) == []


def test_a_figure_is_met_on_the_right_side_of_its_target() -> None:
    def figure(reached: float, **target: float) -> Figure:
        return Figure(name="f", reached=reached, unit="ms", **target)  # type: ignore[arg-type]

    assert [figure(60, most=60).is_met, figure(61, most=60).is_met] == [True, False]
    assert [figure(40, least=40).is_met, figure(39, least=40).is_met] == [True, False]
    assert [figure(0, most=0).is_met, figure(1, most=0).is_met] == [True, False]
    assert [figure(0, least=0).is_met, figure(-1, least=0).is_met] == [True, False]
    assert figure(7).is_met
    assert [figure(1, most=60).target, figure(1, least=40).target, figure(1).target] == ["≤ 60 ms", "≥ 40 ms", ""]
    assert figure(7, most=8).as_json()["met"] is True


@pytest.mark.parametrize(
    ("value", "written"), [(0.123, "0.12"), (2.0, "2"), (12.345, "12.3"), (1234.5, "1,234"), (0, "0")]
)
def test_numbers_are_as_short_as_they_stay_useful(value: float, written: str) -> None:
    assert figures.number(value) == written


def test_the_table_says_what_is_met_and_what_is_missed() -> None:
    written = io.StringIO()
    shown = [
        Figure(name="fast enough", reached=10, unit="ms", most=60),
        Figure(name="too slow", reached=70, unit="ms", most=60, ratio="7 times something"),
        Figure(name="only told", reached=3, unit="ms"),
    ]

    Console(file=written, width=80).print(figures.table(shown))

    _, fast, slow, beside, told = written.getvalue().splitlines()
    assert " met" in fast
    assert "missed" in slow
    assert beside.strip() == "7 times something"
    assert "met" not in told


def load(*times: float, paid: tuple[float, ...] = (), told: tuple[float, ...] = ()) -> Load:
    return Load(measured=Measured(seconds=2.0, times=list(times), paid=list(paid), told=list(told)), cpu=0.3)


def test_a_run_gives_its_rate_its_median_and_the_cost_of_one() -> None:
    run = load(0.010, 0.020, 0.030)

    assert [run.rate, run.p50, run.cpu_each] == pytest.approx([1.5, 20.0, 100.0])


def test_the_verdicts_set_orders_reads_and_events_beside_their_targets() -> None:
    placed = verdicts.placing(load(0.05), load(*[0.1] * 90), alone=load(0.005))
    read = verdicts.reading(load(0.02), pair=load(0.01))
    followed = verdicts.following(load(0.1, paid=(0.2,), told=(0.6,)), rate=22.5)

    assert [(figure.reached, figure.is_met) for figure in placed[:3]] == [(50, True), (50, True), (45, True)]
    assert placed[0].ratio == "10.0 times the bare gateway (5.0 ms)"
    assert (read[0].reached, read[0].ratio) == (20, "2.0 times a bare sidecar pair (10.0 ms)")
    assert [(figure.reached, figure.is_met) for figure in followed[:2]] == [(200, True), (600, False)]
    assert followed[0].ratio == "at 22.5 orders a second, open loop"


def test_the_meter_reads_what_processes_cost() -> None:
    me = os.getpid()
    running = Running(name="order", kind=Kind.SERVICE, pid=me, started=birth(me), url="http://x", probe="http://x")
    record = Record(supervisor=me, started=birth(me), offset=0, phase=Phase.HEALTHY, processes=(running,))

    members = meter.processes(record)

    assert [process.pid for process in members].count(me) == 1
    assert meter.cpu_seconds(members) > 0
    assert meter.pss_bytes(members) > 2**20


def test_processes_that_have_ended_cost_nothing() -> None:
    gone = psutil.Popen(["/bin/true"])
    gone.wait()

    assert meter.cpu_seconds([gone]) == 0
    assert meter.pss_bytes([gone]) == 0
    record = Record(supervisor=gone.pid, started="", offset=0, phase=Phase.STOPPED)
    assert meter.processes(record) == []
