"""Every kind of process dies, crowds come at once, a database's disk goes: nothing is lost, oversold or mischarged."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.local import detour
from services.local.chaos import report, run, schedule
from services.local.chaos.schedule import Victim
from services.local.proofs import flash_sale, lost_answers, restore
from services.local.system import System

_KILLS = len(Victim) + 3


def say_nothing(_: str) -> None:
    """Nobody watches a test."""


@pytest.fixture(scope="module")
def apart() -> Iterator[System]:
    """A system of its own: what is killed here must not disturb the others, nor their poison be found here.

    Where toxiproxy can be built, there is a detour on which the network is broken.
    """
    obstacle = asyncio.run(detour.obstacle(say_nothing))
    with System.start(env={"SIDECART_RATE_LIMIT_FACTOR": "1000"}, detour=not obstacle) as system:
        yield system


async def test_every_kind_of_process_is_killed_once_and_nothing_is_lost(apart: System, tmp_path: Path) -> None:
    plan = schedule.Plan(seed=49, kills=_KILLS, every=4.0, faults=1.0, longest_pause=4.0)
    options = run.Options(plan=plan, history=tmp_path / "history.jsonl", rate=2.0, quiet=5.0)

    told = report.made(await run.run(apart, options, say_nothing))

    assert set(told.kills) == {kind.value for kind in Victim}
    assert ("2 network" in told.facts["other faults"]) is apart.detour
    assert told.findings == []
    assert [figure for figure in told.decisive if not figure.is_met] == []
    figures = {figure.name: figure.reached for figure in (*told.decisive, *told.figures)}
    assert 0 < figures["orders acknowledged as paid"] <= figures["orders acknowledged"] <= figures["orders asked for"]


async def test_a_flash_sale_sells_exactly_what_there_is(apart: System) -> None:
    options = flash_sale.Options(rounds=1, buyers=60, units=10)

    result = await flash_sale.prove(apart, options, say_nothing)

    assert [one.is_exact(options) for one in result.rounds] == [True]
    assert result.verdict.is_reached


async def test_lost_answers_charge_nobody_twice_and_nobody_for_nothing(apart: System) -> None:
    options = lost_answers.Options(payments=30)

    result = await lost_answers.prove(apart, options, say_nothing)

    assert (result.charged_twice, result.paid_uncharged, result.unresolved, result.findings) == (0, 0, 0, 0)
    assert result.acknowledged == 30
    assert result.lost > 0
    assert result.verdict.is_reached


async def test_a_database_server_that_is_lost_with_its_disk_is_restored_with_every_order(apart: System) -> None:
    result = await restore.prove(apart, restore.Options(journeys=24), say_nothing)

    assert (result.orders.lost, result.findings) == (0, 0)
    assert result.orders.before > 0
    assert result.rebuilt.is_equal
    assert result.verdict.is_reached
