"""How soon a shop serves again after a strike, and how long its answers take when nothing is broken and when it is."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

from services.local.chaos.history import Attempt
from services.local.chaos.schedule import Deed, Victim
from services.local.chaos.striking import Struck

WINDOW = 5.0
"""Seconds over which success is counted; what a strike breaks shows within them."""

SUCCESS = 0.99

FAST_TARGET, STORE_TARGET = 15.0, 30.0
"""Seconds until success is back: after a store was killed the second, after anything else the first."""


@dataclass(frozen=True, kw_only=True)
class Recovery:
    """A kill and the seconds until success was back; infinitely many when it was not."""

    struck: Struck
    seconds: float


def recoveries(attempts: Sequence[Attempt], done: Sequence[Struck]) -> list[Recovery]:
    """What became of every kill, in the order in which they were done.

    A kill that is alone must have been recovered from before the next strike, any other before the last customer came.
    """
    ordered = sorted(attempts, key=_began)
    strikes = sorted(done, key=lambda struck: struck.time)
    end = ordered[-1].began if ordered else -math.inf
    following = [*(struck.time for struck in strikes[1:]), end]
    return [
        Recovery(struck=one, seconds=back_after(ordered, one.time, until=then if one.strike.alone else end))
        for one, then in zip(strikes, following, strict=False)
        if one.strike.deed is Deed.KILL
    ]


def back_after(ordered: Sequence[Attempt], strike: float, *, until: float) -> float:
    """Seconds from a strike until a window begins in which at least 99 % of what was asked was answered.

    :param ordered: by their begin.
    :param until: when the last window ends; infinitely many seconds are the answer when there is no such window before.
    """
    start = bisect_left(ordered, strike, key=_began)
    for since in chain((strike,), (ordered[index].began for index in range(start, len(ordered)))):
        if since + WINDOW > until:
            break
        if success(ordered, since, since + WINDOW) >= SUCCESS:
            return since - strike
    return math.inf


def success(ordered: Sequence[Attempt], since: float, until: float) -> float:
    """The share (0 to 1) of what was asked from one moment to another that was answered; 0 when nobody asked.

    :param ordered: by their begin.
    """
    asked = ordered[bisect_left(ordered, since, key=_began) : bisect_left(ordered, until, key=_began)]
    return sum(attempt.is_answered for attempt in asked) / len(asked) if asked else 0.0


def _began(attempt: Attempt) -> float:
    return attempt.began


@dataclass(frozen=True, kw_only=True)
class Latencies:
    """Seconds that answered requests took: while nothing was broken, and near a strike."""

    calm: list[float]
    disturbed: list[float]


def latencies(attempts: Sequence[Attempt], done: Sequence[Struck], healed: Sequence[Recovery]) -> Latencies:
    """Every answered request on its side."""
    troubled = [(struck.time, struck.time + struck.strike.seconds + WINDOW) for struck in done]
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
