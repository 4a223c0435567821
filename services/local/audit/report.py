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
class Unseen:
    """A check that was not made, because there was no such source: the provider, a history, a service's database."""

    invariant: str
    check: str
    source: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """The findings of one audit, and what it did not look at.

    Each check tells at most 100 of its rows; `left_off` counts the others.
    """

    findings: Sequence[Finding]
    unseen: Sequence[Unseen] = ()
    counted: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    seconds: float
    left_off: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether everything that was looked at holds."""
        return not self.findings

    def of(self, invariant: str) -> Sequence[Finding]:
        """The findings about one invariant."""
        return [finding for finding in self.findings if finding.invariant == invariant]

    def unseen_of(self, invariant: str) -> Sequence[Unseen]:
        """What was not looked at of one invariant."""
        return [one for one in self.unseen if one.invariant == invariant]
