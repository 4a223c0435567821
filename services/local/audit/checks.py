"""What a check is: rows that must not be there, or several databases that must say the same of one thing."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

PROVIDER = "provider"
"""Where a statement runs that asks the provider's records instead of a service's database."""

HISTORY = "history"
"""Where a statement runs that asks what clients saw."""

PICKED_UP_AFTER = timedelta(seconds=40)
"""Work whose process died is leased for 30 seconds and then taken up by a timer; its one call takes up to 8."""

Told = dict[str, Any]
Row = Any
"""A named tuple of what a statement selects."""


class Found(SimpleNamespace):
    """One thing as several databases have it: its `id` and, by the name of each side, its row or None."""


@dataclass(frozen=True, kw_only=True)
class Times:
    """When the audit looks. What is younger than `quiet` may still be under way."""

    now: datetime
    quiet: timedelta

    @property
    def before(self) -> datetime:
        """What happened before this is no longer under way."""
        return self.now - self.quiet

    def is_past(self, moment: datetime | None, deadline: timedelta = timedelta()) -> bool:
        """Whether a moment, and a deadline that began then, passed longer ago than `quiet`."""
        return moment is not None and moment + deadline < self.before


@dataclass(frozen=True, kw_only=True)
class Rows:
    """A statement on one database that finds the rows that must not be there: `subject`, then what is told of it.

    It may use `now` and `before` (timestamps; seconds since 1970 in the provider's records).
    """

    invariant: str
    name: str
    service: str
    finds: str


@dataclass(frozen=True, kw_only=True)
class Side:
    """What one database says of many things: rows with a unique `id`, in the order of it."""

    service: str
    rows: str


@dataclass(frozen=True, kw_only=True)
class Compare:
    """A look at one thing from all sides; answers what is wrong with it, if anything."""

    invariant: str
    name: str
    wrong: Callable[[Found, Times], Told | None]


@dataclass(frozen=True, kw_only=True)
class Join:
    """Several databases read side by side in the order of one id, however much there is, and compared."""

    sides: Mapping[str, Side]
    compares: Sequence[Compare]

    @property
    def services(self) -> set[str]:
        """Everybody who is asked."""
        return {side.service for side in self.sides.values()}


@dataclass(frozen=True, kw_only=True)
class Count:
    """How much of something was looked at."""

    invariant: str
    noun: str
    service: str
    counts: str
