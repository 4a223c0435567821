"""What a proof says in the end: one line with its name, what was to be reached and what was."""

from collections.abc import Iterable
from dataclasses import dataclass

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.local import console


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One figure of a proof, in words."""

    name: str
    target: str
    reached: str
    is_reached: bool


def table(verdicts: Iterable[Verdict]) -> Table:
    """The figures beside their targets."""
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("proof", "target", "reached", ""):
        drawn.add_column(column)
    for one in verdicts:
        word = "[green]reached[/]" if one.is_reached else "[red]missed[/]"
        drawn.add_row(escape(one.name), escape(one.target), escape(one.reached), word)
    return drawn


def tell(*verdicts: Verdict, to: Console = console.out) -> bool:
    """Print them; tells whether all are reached."""
    to.print(table(verdicts))
    return all(one.is_reached for one in verdicts)
