"""Figures: what was measured, what it should be, and the arithmetic in between."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure: `most` or `least` is its target, `ratio` sets it beside something of the same machine."""

    name: str
    reached: float
    unit: str
    most: float | None = None
    least: float | None = None
    ratio: str = ""

    @property
    def target(self) -> str:
        """The target in words."""
        if self.most is not None:
            return f"≤ {number(self.most)} {self.unit}"
        return f"≥ {number(self.least)} {self.unit}" if self.least is not None else ""

    @property
    def is_met(self) -> bool:
        """Whether the target, if there is one, is reached."""
        most = math.inf if self.most is None else self.most
        return (-math.inf if self.least is None else self.least) <= self.reached <= most

    def as_json(self) -> dict[str, Any]:
        """The figure for programs."""
        return asdict(self) | {"met": self.is_met}


def number(value: float) -> str:
    """A number as short as it stays useful."""
    if value >= 100 or value == int(value):  # noqa: PLR2004 - three figures are enough for anybody
        return f"{value:,.0f}"
    return f"{value:.2f}" if value < 1 else f"{value:.1f}"


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share (0 to 1) of all values do not exceed (nearest rank).

    :raises ValueError: there are no values
    """
    if not values:
        raise ValueError("no values")
    rank = max(1, math.ceil(share * len(values)))
    return sorted(values)[rank - 1]


def schedule(rate: float, seconds: float) -> Iterator[float]:
    """The moments, in seconds from the start, at which an open loop of this rate begins its work."""
    for index in range(int(rate * seconds)):
        yield index / rate


def table(figures: Sequence[Figure]) -> Table:
    """The figures beside their targets."""
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("figure", "target", "reached", ""):
        drawn.add_column(column, justify="right" if column in {"target", "reached"} else "left")
    for figure in figures:
        colour, word = ("green", "met") if figure.is_met else ("red", "missed")
        verdict = f"[{colour}]{word}[/]" if figure.target else ""
        drawn.add_row(figure.name, figure.target, f"{number(figure.reached)} {figure.unit}", verdict)
        if figure.ratio:
            drawn.add_row(f"[dim]  {figure.ratio}[/]")
    return drawn
