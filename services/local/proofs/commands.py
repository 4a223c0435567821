"""`./sidecart prove ...`: the proofs that take longer than a test may."""

import typer

from services.local.proofs.defects import commands as defects


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    prove = typer.Typer(help="Prove by experiment that nothing is lost; each proof runs on a system of its own.")
    prove.callback(no_args_is_help=True)(_nothing)
    defects.register(prove)
    app.add_typer(prove, name="prove")


def _nothing() -> None:
    """Prove by experiment that nothing is lost; each proof runs on a system of its own."""
