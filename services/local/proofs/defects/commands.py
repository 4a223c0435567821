"""`./sidecart prove defects`."""

import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Protocol

import typer

from services.local.chaos.commands import Results
from services.local.proofs.defects import showing
from services.local.proofs.defects.defect import Defect
from services.local.proofs.defects.rounds import Proof, Round, Tell, chosen
from services.local.proofs.defects.table import DEFECTS
from services.local.proofs.defects.workshop import Workshop
from services.local.proofs.verdict import Run

Only = Annotated[str | None, typer.Option("--only", help="The name of one defect.")]
Sample = Annotated[int | None, typer.Option("--sample", min=1, help="Only so many of them, chosen by the seed.")]
Seed = Annotated[int, typer.Option("--seed", help="What the sample is chosen by.")]
Json = Annotated[Path | None, typer.Option("--json", dir_okay=False, help="Write every round to this file.")]


class Prove(Protocol):
    """What plants defects one after the other; tests have another."""

    def __call__(self, defects: Sequence[Defect], *, tell: Tell) -> list[Round]:
        """Plant these, telling each round as it ends."""
        ...


def prove(defects: Sequence[Defect], *, tell: Tell) -> list[Round]:
    """Plant these defects one after the other in a system of their own."""
    with tempfile.TemporaryDirectory(prefix="sidecart-history-") as folder, Workshop.opened() as workshop:
        proof = Proof(workshop=workshop, history=Path(folder) / "history.jsonl", tell=tell)
        return asyncio.run(proof.run(defects))


def register(proofs: typer.Typer, proving: Prove = prove) -> None:
    """Add the command to the proofs."""

    @proofs.command(name="defects")
    def defects_command(
        context: typer.Context,
        *,
        only: Only = None,
        sample: Sample = None,
        seed: Seed = 1,
        json: Json = None,
        results: Results = None,
    ) -> None:
        """Plant defects one at a time in a copy of the source; the audit has to see each."""
        run = Run(context=context, results=results)
        rounds = proving(chosen(DEFECTS, only=only, sample=sample, seed=seed), tell=showing.tell)
        if json is not None:
            json.write_text(showing.as_json(rounds, seed=seed))
        if not run.tell(*showing.verdicts(rounds)):
            raise typer.Exit(1)
