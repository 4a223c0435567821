"""A defect: which small edit it is, what it does to a shop, and how it comes to light."""

from dataclasses import dataclass
from pathlib import Path

from services.local.proofs.defects.edit import Edit
from services.local.proofs.defects.stage import Journey


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A rule of a database that keeps a defect from doing harm, taken away and given back."""

    service: str
    taken: str
    given_back: str


@dataclass(frozen=True, kw_only=True)
class Defect:
    """`harm` is what it does to a shop; `breaks` are the invariants under which the audit has to name it."""

    name: str
    harm: str
    edits: tuple[Edit, ...]
    journey: Journey
    breaks: frozenset[str]
    rules: tuple[Rule, ...] = ()

    @property
    def area(self) -> str:
        """The part of the source that it is planted in."""
        return Path(self.edits[0].file).parts[1]
