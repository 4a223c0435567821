"""`./sidecart prove flash-sale`, `lost-answers`, `overload` and `restore`: the proofs that many customers make."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated

import typer

from services.local import console
from services.local.chaos.commands import LIMITS_OFF, Results
from services.local.proofs import flash_sale, lost_answers, overload, restore
from services.local.proofs.verdict import Run, Verdict
from services.local.system import System

Tell = Callable[[str], None]
Seed = Annotated[int, typer.Option("--seed", help="The same seed makes the same choices.")]
Rounds = Annotated[int, typer.Option("--rounds", min=1, help="How many sales.")]
Buyers = Annotated[int, typer.Option("--buyers", min=1, help="How many customers come at once.")]
Units = Annotated[int, typer.Option("--units", min=1, help="How many units there are.")]
Payments = Annotated[int, typer.Option("--payments", min=1, help="How many payments.")]
Journeys = Annotated[int, typer.Option("--journeys", min=2, help="How many customers come.")]
Share = Annotated[float, typer.Option("--share", min=0.01, max=0.9, help="What share of the answers is lost.")]

Seconds = Annotated[int, typer.Option("--seconds", min=5, help="How long each load lasts.")]


@dataclass(frozen=True, kw_only=True)
class Crowds:
    """The commands: where their systems come from, and what is done there."""

    start: Callable[..., AbstractContextManager[System]] = System.start
    sell: Callable[[System, flash_sale.Options, Tell], Awaitable[flash_sale.Result]] = flash_sale.prove
    lose: Callable[[System, lost_answers.Options, Tell], Awaitable[lost_answers.Result]] = lost_answers.prove
    drill: Callable[[System, restore.Options, Tell], Awaitable[restore.Result]] = restore.prove
    press: Callable[[System, overload.Options, Tell], Awaitable[overload.Result]] = overload.prove

    def prove_flash_sale(
        self,
        context: typer.Context,
        *,
        rounds: Rounds = 20,
        buyers: Buyers = 1_000,
        units: Units = 100,
        seed: Seed = 1,
        results: Results = None,
    ) -> None:
        """Let a thousand customers buy a hundred units at the same moment: exactly a hundred are sold, every time."""
        options = flash_sale.Options(rounds=rounds, buyers=buyers, units=units, seed=seed)
        self._prove(Run(context=context, results=results), lambda system, tell: self._sold(system, options, tell))

    def prove_lost_answers(
        self,
        context: typer.Context,
        *,
        payments: Payments = 2_000,
        share: Share = 0.3,
        seed: Seed = 1,
        results: Results = None,
    ) -> None:
        """Lose the provider's answers after it has done its work: nobody is charged twice, and nobody for nothing."""
        options = lost_answers.Options(payments=payments, share=share, seed=seed)
        self._prove(Run(context=context, results=results), lambda system, tell: self._lost(system, options, tell))

    def prove_restore(
        self, context: typer.Context, *, journeys: Journeys = 400, seed: Seed = 1, results: Results = None
    ) -> None:
        """Lose the database server and its disk while customers shop, and restore it: no acknowledged order is lost."""
        options = restore.Options(journeys=journeys, seed=seed)
        self._prove(Run(context=context, results=results), lambda system, tell: self._restored(system, options, tell))

    def prove_overload(
        self, context: typer.Context, *, seconds: Seconds = 20, seed: Seed = 1, results: Results = None
    ) -> None:
        """Ask for twice and five times the orders that can be placed: nearly as many are, and it is soon over."""
        options = overload.Options(seconds=seconds, seed=seed)
        self._prove(Run(context=context, results=results), lambda system, tell: self._pressed(system, options, tell))

    async def _sold(self, system: System, options: flash_sale.Options, tell: Tell) -> Sequence[Verdict]:
        return [(await self.sell(system, options, tell)).verdict]

    async def _lost(self, system: System, options: lost_answers.Options, tell: Tell) -> Sequence[Verdict]:
        return [(await self.lose(system, options, tell)).verdict]

    async def _restored(self, system: System, options: restore.Options, tell: Tell) -> Sequence[Verdict]:
        return [(await self.drill(system, options, tell)).verdict]

    async def _pressed(self, system: System, options: overload.Options, tell: Tell) -> Sequence[Verdict]:
        return (await self.press(system, options, tell)).verdicts

    def _prove(self, run: Run, proof: Callable[[System, Tell], Awaitable[Sequence[Verdict]]]) -> None:
        """Print the figures; a system in which one was missed is kept."""

        async def proven(system: System) -> Sequence[Verdict]:
            return await proof(system, console.Steps())

        with self.start(env=LIMITS_OFF) as system:
            if not run.tell(*asyncio.run(proven(system))):
                system.keep()
                console.complain(f"Everything is kept in {system.state.root}.")
                raise typer.Exit(1)


def register(prove: typer.Typer, crowds: Crowds | None = None) -> None:
    """Add the commands to `prove`."""
    commands = crowds or Crowds()
    prove.command("flash-sale")(commands.prove_flash_sale)
    prove.command("lost-answers")(commands.prove_lost_answers)
    prove.command("restore")(commands.prove_restore)
    prove.command("overload")(commands.prove_overload)
