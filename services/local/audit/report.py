"""What an audit tells: every row that breaks an invariant, and how much was looked at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

INVARIANTS: Mapping[str, str] = {
    "I1": "acknowledged orders exist",
    "I2": "one order per key",
    "I3": "never oversold",
    "I4": "never charged twice",
    "I5": "money in = money out",
    "I6": "cancelled means undone",
    "I7": "paid means done",
    "I8": "nothing is overdue",
    "I9": "every fact is told",
    "I10": "no dead letters",
}
"""What each invariant promises, in a few words."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that breaks an invariant: which check saw it, on what (`subject`), and what stands there (`told`)."""

    invariant: str
    check: str
    subject: str
    told: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Report:
    """The findings of one audit.

    Each check tells at most 100 of its rows; `left_off` counts the others.
    """

    findings: Sequence[Finding]
    counted: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    seconds: float
    left_off: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether every invariant holds."""
        return not self.findings

    def of(self, invariant: str) -> Sequence[Finding]:
        """The findings about one invariant."""
        return [finding for finding in self.findings if finding.invariant == invariant]
