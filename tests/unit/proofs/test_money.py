"""The commands that prove webhooks and refunds, and what their figures say."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from services.local.proofs import money, refunds, webhooks
from services.local.proofs.money import Money

ONE_LEDGER = webhooks.Result(orders={"paid": (720, 720)}, duplications={"paid": (2, 64)}, lives=1440, deliveries=9000)
EXACT = refunds.Result(options=refunds.Options(), asked=1000, made=200, lost=40, split=0, over=0, apart=0, findings=0)


def test_permutations_are_proven_when_there_is_no_other_ledger() -> None:
    verdict = ONE_LEDGER.verdict

    assert verdict.is_reached
    assert verdict.target == "every order, some duplication: one ledger"
    told = "720 of 720 orders paid with 2 of 64 duplications; 1,440 lives, 9,000 deliveries, 0 other ledgers in 0 s"
    assert verdict.reached == told


def test_permutations_say_so_when_every_duplication_was_tried() -> None:
    whole = replace(ONE_LEDGER, duplications={"paid": (64, 64)})

    assert whole.verdict.target == "every order, every duplication: one ledger"


@pytest.mark.parametrize("result", [webhooks.Result(), webhooks.Result(lives=1, wrong=["paid: booked []"])])
def test_permutations_are_not_proven_by_nothing_or_by_two_ledgers(result: webhooks.Result) -> None:
    assert not result.verdict.is_reached


def test_refunds_are_proven_when_every_book_says_the_same() -> None:
    assert EXACT.verdict.is_reached
    assert "200 made, 800 refused, 40 answers lost: 0 over the capture" in EXACT.verdict.reached


@pytest.mark.parametrize("wrong", [{"over": 1}, {"apart": 1}, {"findings": 1}, {"split": 1}])
def test_a_single_refund_that_went_wrong_is_no_proof(wrong: dict[str, Any]) -> None:
    assert not replace(EXACT, **wrong).verdict.is_reached


@pytest.mark.parametrize("easy", [{"made": 0}, {"made": 1000}, {"lost": 0}])
def test_refunds_that_met_no_limit_or_no_lost_answer_prove_nothing(easy: dict[str, Any]) -> None:
    assert not replace(EXACT, **easy).verdict.is_reached


@dataclass
class System:
    """A system that nobody started."""

    kept: bool = False

    @property
    def state(self) -> Any:
        return self

    root = "somewhere"

    def keep(self) -> None:
        self.kept = True


@dataclass
class Outcomes:
    """What the proofs come to, and what they were asked."""

    permuted: webhooks.Result = field(default_factory=lambda: ONE_LEDGER)
    given_back: refunds.Result = EXACT
    asked: list[Any] = field(default_factory=list)
    system: System = field(default_factory=System)

    def run(self, *words: str) -> int:
        app = typer.Typer()
        app.callback()(lambda: None)
        money.register(app, Money(database=self.database, start=self.start, **self.proofs()))
        return CliRunner().invoke(app, list(words)).exit_code

    def proofs(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        async def permute(url: str, options: Any, _: Any) -> webhooks.Result:
            self.asked += [url, options]
            return self.permuted

        async def give_back(_: Any, options: Any, __: Any) -> refunds.Result:
            self.asked.append(options)
            return self.given_back

        return {"permute": permute, "give_back": give_back}

    @asynccontextmanager
    async def database(self) -> AsyncIterator[str]:
        yield "postgresql://here"

    @contextmanager
    def start(self, **how: Any) -> Iterator[Any]:
        self.asked.append(how)
        yield self.system


def test_webhooks_are_permuted_in_a_database_of_their_own() -> None:
    outcomes = Outcomes()

    code = outcomes.run("webhooks", "--choices", "64", "--seed", "7")

    assert code == 0
    assert outcomes.asked == ["postgresql://here", webhooks.Options(choices=64, seed=7)]


def test_another_ledger_is_told_and_fails() -> None:
    outcomes = Outcomes(permuted=webhooks.Result(lives=1, wrong=["paid: booked []"]))

    assert outcomes.run("webhooks") == 1


def test_refunds_are_made_in_a_system_without_limits() -> None:
    outcomes = Outcomes()

    code = outcomes.run("refunds", "--payments", "3", "--share", "0.5")

    assert code == 0
    assert outcomes.asked == [
        {"env": {"SIDECART_RATE_LIMIT_FACTOR": "1000"}},
        refunds.Options(payments=3, share=0.5),
    ]
    assert not outcomes.system.kept


def test_a_system_in_which_refunds_went_wrong_is_kept() -> None:
    outcomes = Outcomes(given_back=replace(EXACT, over=1))

    code = outcomes.run("refunds")

    assert (code, outcomes.system.kept) == (1, True)
