"""How the proof is told: a line for each round as it ends, one figure, and everything as JSON."""

import json
from collections.abc import Sequence

from rich.markup import escape

from services.local import console
from services.local.proofs.defects.rounds import Round
from services.local.proofs.verdict import Verdict


def line(done: Round) -> str:
    """One round in one line."""
    mark = "[green]✓[/]" if done.is_good else "[red]✗[/]"
    if done.defect is None:
        found = f"  {_checks(done)}" if done.findings else ""
        return f"{mark} {done.seconds:5.1f} s  no defect: {done.journey}{found}  {escape(done.trouble)}".rstrip()
    seen = _checks(done) or "nothing was found"
    return f"{mark} {done.seconds:5.1f} s  {done.defect.area:12} {done.defect.name}  [dim]{seen}[/]"


def _checks(done: Round) -> str:
    told = done.seen or done.findings
    return ", ".join(sorted({f"{one.invariant} {one.check}" for one in told}))


def tell(done: Round) -> None:
    """Print a round."""
    console.out.print(line(done), soft_wrap=True)


def verdicts(rounds: Sequence[Round]) -> tuple[Verdict, Verdict]:
    """The two figures: defects that were caught, and rounds without one that stayed clean."""
    planted = [done for done in rounds if done.defect is not None]
    controls = [done for done in rounds if done.defect is None]
    return (
        _verdict("planted defects caught", planted),
        _verdict("rounds without a defect clean", controls),
    )


def _verdict(name: str, rounds: Sequence[Round]) -> Verdict:
    good = sum(done.is_good for done in rounds)
    whole = f"{len(rounds)} of {len(rounds)}"
    return Verdict(name=name, target=whole, reached=f"{good} of {len(rounds)}", is_reached=good == len(rounds))


def as_json(rounds: Sequence[Round], *, seed: int) -> str:
    """Everything, for programs."""
    return json.dumps({"seed": seed, "rounds": [_told(done) for done in rounds]}, indent=2, default=str)


def _told(done: Round) -> dict[str, object]:
    return {
        "journey": done.journey,
        "defect": done.defect.name if done.defect else None,
        "harm": done.defect.harm if done.defect else None,
        "good": done.is_good,
        "seconds": round(done.seconds, 1),
        "trouble": done.trouble,
        "findings": [
            {"invariant": one.invariant, "check": one.check, "subject": one.subject, "told": one.told}
            for one in done.findings
        ],
    }
