"""`./sidecart prove ...`: the proofs that take longer than a test may."""

from pathlib import Path
from typing import Annotated

import typer

from services.local import console
from services.local.chaos.commands import Results
from services.local.proofs import crowds, money, sweep
from services.local.proofs.cases import Options, Report
from services.local.proofs.defects import commands as defects
from services.local.proofs.verdict import Run, Verdict

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


def prove_sweep(  # noqa: PLR0913 - one parameter for each option
    context: typer.Context,
    *,
    sample: Annotated[int | None, typer.Option("--sample", min=1, metavar="N", help="So many cases of all.")] = None,
    seed: Seed = 1,
    only: Annotated[str, typer.Option("--only", metavar="TEXT", help="Only where this is in 'app point'.")] = "",
    thorough: Annotated[bool, typer.Option("--thorough", help="Every part of a journey that passes a point.")] = False,
    json_file: JsonFile = None,
    results: Results = None,
) -> None:
    """Let every process die at every failpoint, whatever the provider does, and audit what it becomes."""
    run = Run(context=context, results=results)
    options = Options(seed=seed, sample=sample, only=only, thorough=thorough)
    report = sweep.prove(options, console.Steps())
    if json_file is not None:
        json_file.write_text(report.as_json())
    for result in report.failures:
        console.complain(f"{result.case}: {result.failure}")
    for target, outcome in report.not_passed:
        console.out.print(f"{target.app_id} did not come by {target.point} with payment {outcome}")
    for target in report.missed:
        console.complain(f"{target.app_id} never died at {target.point}, whatever the payment's outcome.")
    if not run.tell(figure(report)):
        raise typer.Exit(1)


def figure(report: Report) -> Verdict:
    """What a sweep has come to."""
    died, planned = len(report.deaths), len(report.results)
    points = f"{len({target.point for target in report.died_at})} points"
    applications = f"{len({target.app_id for target in report.died_at})} applications"
    reached = (
        f"{died - len(report.failures)} of {died} deaths converged ({points}, {applications});"
        f" {planned} planned, {planned - died} did not come by; {len(report.missed)} points never died at"
    )
    target = "every death converges" if report.options.sample else "every point is died at, every death converges"
    return Verdict(name="crash-point sweep", target=target, reached=reached, is_reached=report.has_converged)
