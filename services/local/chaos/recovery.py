"""How soon a shop serves again after a strike, and how long its answers take when nothing is broken and when it is."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from services.local.chaos.history import Attempt
from services.local.chaos.schedule import STORES, Deed, Victim
from services.local.chaos.striking import Struck

WINDOW = 2.0
"""Seconds over which success is counted."""

SUCCESS = 0.99
SHOWS_WITHIN = 5.0
"""Seconds in which a strike shows; requests that fail only later fail for another reason."""

FAST_TARGET, STORE_TARGET = 15.0, 30.0
"""Seconds until success is back: after a service or sidecar, after a store."""


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """A kill and the seconds until success was back; `alone` when nothing else was done meanwhile."""

    struck: Struck
    seconds: float
    alone: bool

    @property
    def target(self) -> float:
        """What the seconds should be at most."""
        return STORE_TARGET if self.struck.strike.kind in STORES else FAST_TARGET


def recoveries(attempts: Sequence[Attempt], done: Sequence[Struck]) -> list[Recovery]:
    """What became of every kill, in the order in which they were done."""
    ordered = sorted(attempts, key=lambda attempt: attempt.began)
    found = []
    for struck in sorted(done, key=lambda struck: struck.time):
        if struck.strike.deed is Deed.KILL:
            seconds = back_after(ordered, struck.time)
            found.append(Recovery(struck=struck, seconds=seconds, alone=_alone(struck, seconds, done)))
    return found


def back_after(ordered: Sequence[Attempt], strike: float) -> float:
    """Seconds from a strike until a window begins in which at least 99 % of what was asked was answered.

    :param ordered: by their begin.
    """
    begins = [attempt.began for attempt in ordered]
    shows = (
        index
        for index in range(bisect_left(begins, strike), bisect_left(begins, strike + SHOWS_WITHIN))
        if not ordered[index].is_answered
    )
    first = next(shows, None)
    if first is None:
        return 0.0
    for index in range(first + 1, len(ordered)):
        window = ordered[index : bisect_left(begins, begins[index] + WINDOW)]
        if sum(attempt.is_answered for attempt in window) >= SUCCESS * len(window):
            return begins[index] - strike
    return begins[-1] - strike


def _alone(one: Struck, seconds: float, done: Sequence[Struck]) -> bool:
    """Whether no other strike began, or was still going on, between this one and its recovery."""
    return not any(
        other is not one
        and other.time < one.time + seconds
        and other.time + other.strike.seconds + SHOWS_WITHIN > one.time
        for other in done
    )


@dataclass(frozen=True, kw_only=True)
class Latencies:
    """Seconds that answered requests took: while nothing was broken, and near a strike."""

    calm: list[float]
    disturbed: list[float]


def latencies(attempts: Sequence[Attempt], done: Sequence[Struck], healed: Sequence[Recovery]) -> Latencies:
    """Every answered request on its side."""
    troubled = [(struck.time, struck.time + struck.strike.seconds + SHOWS_WITHIN) for struck in done]
    troubled += [(one.struck.time, one.struck.time + one.seconds) for one in healed]
    calm: list[float] = []
    disturbed: list[float] = []
    for attempt in attempts:
        if attempt.ended is not None and attempt.is_answered:
            near = any(attempt.began < until and attempt.ended > since for since, until in troubled)
            (disturbed if near else calm).append(attempt.ended - attempt.began)
    return Latencies(calm=calm, disturbed=disturbed)


def kills_by_kind(done: Sequence[Struck]) -> dict[str, int]:
    """How many kills there were of each kind, in the order of the kinds."""
    kinds = [struck.strike.kind for struck in done if struck.strike.deed is Deed.KILL]
    return {kind.value: kinds.count(kind.value) for kind in Victim if kind.value in kinds}
