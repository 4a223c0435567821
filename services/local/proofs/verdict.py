"""What a proof says in the end: one line with its name, what was to be reached and what was."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.local import console
from services.local.chaos import report


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One figure of a proof, in words."""

    name: str
    target: str
    reached: str
    is_reached: bool

    @property
    def word(self) -> str:
        """Whether it is reached."""
        return "reached" if self.is_reached else "missed"


def table(verdicts: Iterable[Verdict]) -> Table:
    """The figures beside their targets."""
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("proof", "target", "reached", ""):
        drawn.add_column(column)
    for one in verdicts:
        colour = "green" if one.is_reached else "red"
        drawn.add_row(escape(one.name), escape(one.target), escape(one.reached), f"[{colour}]{one.word}[/]")
    return drawn


@dataclass(frozen=True, kw_only=True)
class Run:
    """The command that is being run, from now on; what it comes to is printed, and added to a file when one is named.

    :param results: a document to which a section is added.
    """

    context: typer.Context
    results: Path | None
    began: float = field(default_factory=time.monotonic)

    def tell(self, *verdicts: Verdict) -> bool:
        """Print the figures; tells whether all are reached."""
        if self.results is not None:
            report.append(self._section(verdicts), self.results)
        return tell(*verdicts)

    def _section(self, verdicts: Iterable[Verdict]) -> str:
        lines = [
            f"## prove {self.context.info_name}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            "",
            f"- command: ./sidecart prove {' '.join((str(self.context.info_name), *self._words()))}",
            f"- seed: {self.context.params['seed']}",
            f"- commit: {report.commit()}",
            f"- duration: {time.monotonic() - self.began:.0f} s",
            "",
            "| proof | target | reached | |",
            "|---|---|---|---|",
        ]
        lines += [f"| {one.name} | {one.target} | {one.reached} | {one.word} |" for one in verdicts]
        return "\n".join([*lines, ""])

    def _words(self) -> Iterator[str]:
        """The options, those that were left as they are too; not where it was to be written."""
        for option in self.context.command.params:
            value = self.context.params[str(option.name)]
            if value is True:
                yield option.opts[0]
            elif value not in {None, ""} and value is not False and not isinstance(value, Path):
                yield f"{option.opts[0]} {value}"


def tell(*verdicts: Verdict, to: Console = console.out) -> bool:
    """Print them; tells whether all are reached."""
    to.print(table(verdicts))
    return all(one.is_reached for one in verdicts)
