"""`./sidecart prove flash-sale` and `prove lost-answers`: the proofs that many customers make at once."""

import asyncio
from typing import Annotated

import typer

from services.local import console
from services.local.chaos.commands import LIMITS_OFF
from services.local.proofs import flash_sale, lost_answers, verdict
from services.local.proofs.verdict import Verdict
from services.local.system import System

Seed = Annotated[int, typer.Option("--seed", help="The same seed makes the same choices.")]


def register(prove: typer.Typer) -> None:
    """Add the commands to `prove`."""
    prove.command("flash-sale")(prove_flash_sale)
    prove.command("lost-answers")(prove_lost_answers)


def prove_flash_sale(
    *,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="How many sales.")] = 20,
    buyers: Annotated[int, typer.Option("--buyers", min=1, help="How many customers come at once.")] = 1_000,
    units: Annotated[int, typer.Option("--units", min=1, help="How many units there are.")] = 100,
    seed: Seed = 1,
) -> None:
    """Let a thousand customers buy a hundred units at the same moment: exactly a hundred are sold, every time."""
    options = flash_sale.Options(rounds=rounds, buyers=buyers, units=units, seed=seed)
    with System.start(env=LIMITS_OFF) as system:
        _tell(system, *asyncio.run(flash_sale.prove(system, options, console.Steps())).verdicts())


def prove_lost_answers(
    *,
    payments: Annotated[int, typer.Option("--payments", min=1, help="How many payments.")] = 2_000,
    share: Annotated[float, typer.Option("--share", min=0.01, max=0.9, help="What share of answers is lost.")] = 0.3,
    seed: Seed = 1,
) -> None:
    """Lose the provider's answers after it has done its work: nobody is charged twice, and nobody for nothing."""
    options = lost_answers.Options(payments=payments, share=share, seed=seed)
    with System.start(env=LIMITS_OFF) as system:
        _tell(system, *asyncio.run(lost_answers.prove(system, options, console.Steps())).verdicts())


def _tell(system: System, *verdicts: Verdict) -> None:
    """Print the figures; a system in which one was missed is kept."""
    if not verdict.tell(*verdicts):
        system.keep()
        console.complain(f"Everything is kept in {system.state.root}.")
        raise typer.Exit(1)
