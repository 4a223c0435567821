from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from services.local.proofs import crowds, flash_sale, lost_answers, overload, restore
from services.local.proofs.crowds import Crowds, Tell
from services.local.proofs.flash_sale import Round
from services.local.proofs.projections import Rebuilt
from services.local.proofs.restore import Orders
from services.local.state import State
from services.local.system import System
from tests.unit.proofs.test_overload import PROVEN

SALE = flash_sale.Options(rounds=2, buyers=10, units=3)
EXACT = Round(sold=3, refused=7, unclear=0, level=(3, 3, 3, 3), seconds=2.0)
ANSWERS = lost_answers.Options(payments=10)
RESOLVED = lost_answers.Result(
    options=ANSWERS, lost=4, broken=1, acknowledged=10, charged_twice=0, paid_uncharged=0, unresolved=0, findings=0
)

DRILL = restore.Options(journeys=20)
RESTORED = restore.Result(
    options=DRILL,
    orders=Orders(before=9, after=8, lost=0),
    findings=0,
    rebuilt=Rebuilt(rows=70, equal=70, others=0),
    seconds=6.5,
)


def sale(*rounds: Round, findings: int = 0) -> flash_sale.Result:
    return flash_sale.Result(options=SALE, rounds=rounds, findings=findings)


def test_a_sale_is_proven_when_every_round_is_exact() -> None:
    verdict = sale(EXACT, EXACT).verdict

    assert verdict.is_reached
    assert verdict.name == "flash sale: 10 buyers, 3 units"
    assert verdict.reached == "2 of 2, 2.0 s a round, 0 findings of the audit"


@pytest.mark.parametrize(
    "changes",
    [
        {"sold": 4, "refused": 6},
        {"sold": 2, "refused": 8},
        {"refused": 6, "unclear": 1},
        {"level": (3, 2, 3, 2)},
        {"level": (3, 3, 3, 2)},
        {"level": ()},
    ],
)
def test_a_single_inexact_round_is_none(changes: dict[str, Any]) -> None:
    assert not sale(EXACT, replace(EXACT, **changes)).verdict.is_reached


def test_a_finding_of_the_audit_is_no_proof() -> None:
    assert not sale(EXACT, EXACT, findings=1).verdict.is_reached
    assert not replace(RESOLVED, findings=1).verdict.is_reached
    assert not replace(RESTORED, findings=1).verdict.is_reached


def test_lost_answers_are_proven_when_everything_is_resolved_and_some_were_lost() -> None:
    assert RESOLVED.verdict.is_reached
    assert RESOLVED.verdict.name == "lost answers: 10 payments, 30% lost"


@pytest.mark.parametrize(
    "changes",
    [{"lost": 0}, {"broken": 0}, {"acknowledged": 9}, {"charged_twice": 1}, {"paid_uncharged": 1}, {"unresolved": 1}],
)
def test_a_single_payment_that_went_wrong_is_no_proof(changes: dict[str, Any]) -> None:
    assert not replace(RESOLVED, **changes).verdict.is_reached


@dataclass
class Stage:
    system: System
    sale: flash_sale.Result = field(default_factory=lambda: sale(EXACT, EXACT))
    answers: lost_answers.Result = RESOLVED
    restored: restore.Result = RESTORED
    pressed: overload.Result = PROVEN
    asked: list[object] = field(default_factory=list)

    @contextmanager
    def start(self, *, env: Mapping[str, str]) -> Iterator[System]:
        assert env
        yield self.system

    async def sell(self, _: System, options: flash_sale.Options, __: Tell) -> flash_sale.Result:
        self.asked.append(options)
        return self.sale

    async def lose(self, _: System, options: lost_answers.Options, __: Tell) -> lost_answers.Result:
        self.asked.append(options)
        return self.answers

    async def drill(self, _: System, options: restore.Options, __: Tell) -> restore.Result:
        self.asked.append(options)
        return self.restored

    async def press(self, _: System, options: overload.Options, __: Tell) -> overload.Result:
        self.asked.append(options)
        return self.pressed

    def run(self, *arguments: str) -> int:
        app = typer.Typer()
        proofs = Crowds(start=self.start, sell=self.sell, lose=self.lose, press=self.press, drill=self.drill)
        crowds.register(app, proofs)
        return CliRunner().invoke(app, arguments).exit_code


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(System(State(tmp_path), 0))


def test_the_commands_take_their_sizes_and_succeed_when_the_figures_are_reached(stage: Stage) -> None:
    codes = [
        stage.run("flash-sale", "--rounds", "2", "--buyers", "10", "--units", "3"),
        stage.run("lost-answers", "--payments", "10", "--share", "0.5", "--seed", "4"),
        stage.run("restore", "--journeys", "20", "--seed", "5"),
        stage.run("overload", "--seconds", "12", "--seed", "5"),
    ]

    assert codes == [0, 0, 0, 0]
    assert stage.asked == [
        SALE,
        lost_answers.Options(payments=10, share=0.5, seed=4),
        restore.Options(journeys=20, seed=5),
        overload.Options(seconds=12, seed=5),
    ]
    assert not stage.system.is_kept


@pytest.mark.parametrize("command", ["flash-sale", "lost-answers", "overload", "restore"])
def test_a_figure_that_is_missed_fails_the_command_and_keeps_the_system(stage: Stage, command: str) -> None:
    stage.sale, stage.answers = replace(sale(EXACT), findings=1), replace(RESOLVED, unresolved=1)
    stage.restored, stage.pressed = replace(RESTORED, findings=1), replace(PROVEN, findings=1)

    assert stage.run(command) == 1
    assert stage.system.is_kept
