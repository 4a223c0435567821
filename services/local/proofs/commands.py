"""`./sidecart prove ...`: the proofs that take longer than a test may."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from services.local import console
from services.local.chaos.commands import LIMITS_OFF
from services.local.proofs import flash_sale, lost_answers, sweep, verdict
from services.local.proofs.verdict import Verdict
from services.local.system import System

Seed = Annotated[int, typer.Option("--seed", help="The same seed makes the same choices.")]
JsonFile = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write everything there too.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    prove = typer.Typer(help="Prove by experiment that nothing is lost, on systems made for it.", no_args_is_help=True)
    prove.callback()(_prove)
    prove.command("sweep")(prove_sweep)
    prove.command("flash-sale")(prove_flash_sale)
    prove.command("lost-answers")(prove_lost_answers)
    app.add_typer(prove, name="prove")


def _prove() -> None:
    """Prove by experiment that nothing is lost, on systems made for it."""


def prove_sweep(
    *,
    sample: Annotated[int | None, typer.Option("--sample", min=1, metavar="N", help="So many cases of all.")] = None,
    seed: Seed = 1,
    only: Annotated[str, typer.Option("--only", metavar="TEXT", help="Only where this is in 'app point'.")] = "",
    thorough: Annotated[bool, typer.Option("--thorough", help="Every part of a journey that passes a point.")] = False,
    json_file: JsonFile = None,
) -> None:
    """Let every process die at every failpoint, whatever the provider does, and audit what it becomes."""
    options = sweep.Options(seed=seed, sample=sample, only=only, thorough=thorough)
    report = sweep.prove(options, console.Steps())
    if json_file is not None:
        json_file.write_text(report.as_json())
    for result in report.failures:
        console.complain(f"{result.case}: {result.failure}")
    for target in report.missed:
        console.complain(f"No journey passes {target.point} in {target.app_id}.")
    reached = (
        f"{len(report.results) - len(report.failures)} of {len(report.results)} cases"
        f" ({len({target.point for target in report.targets})} points,"
        f" {len({target.app_id for target in report.targets})} applications) in {report.seconds:,.0f} s"
    )
    line = Verdict(name="crash-point sweep", target="all converge", reached=reached, is_reached=report.has_converged)
    if not verdict.tell(line):
        raise typer.Exit(1)


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
        _tell(system, asyncio.run(flash_sale.prove(system, options, console.Steps())).verdicts())


def prove_lost_answers(
    *,
    payments: Annotated[int, typer.Option("--payments", min=1, help="How many payments.")] = 2_000,
    share: Annotated[
        float, typer.Option("--share", min=0.01, max=0.9, help="The share of answers that are lost.")
    ] = 0.3,
    seed: Seed = 1,
) -> None:
    """Lose the provider's answers after it has done its work: nobody is charged twice, and nobody who paid is not."""
    options = lost_answers.Options(payments=payments, share=share, seed=seed)
    with System.start(env=LIMITS_OFF) as system:
        _tell(system, asyncio.run(lost_answers.prove(system, options, console.Steps())).verdicts())


def _tell(system: System, verdicts: Sequence[Verdict]) -> None:
    if not verdict.tell(*verdicts):
        system.keep()
        console.complain(f"Everything is kept in {system.state.root}.")
        raise typer.Exit(1)
