"""`./sidecart prove ...`: the proofs that take longer than a test may."""

from pathlib import Path
from typing import Annotated

import typer

from services.local import console
from services.local.proofs import crowds, money, sweep, verdict
from services.local.proofs.cases import Options
from services.local.proofs.defects import commands as defects
from services.local.proofs.verdict import Verdict

Seed = Annotated[int, typer.Option("--seed", help="The same seed makes the same choices.")]
JsonFile = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write everything there too.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    prove = typer.Typer(help="Prove by experiment that nothing is lost, on systems made for it.", no_args_is_help=True)
    prove.callback()(_prove)
    prove.command("sweep")(prove_sweep)
    defects.register(prove)
    money.register(prove)
    crowds.register(prove)
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
    options = Options(seed=seed, sample=sample, only=only, thorough=thorough)
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
