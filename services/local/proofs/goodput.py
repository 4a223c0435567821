"""The arithmetic of an overload: what was acknowledged in time, what became of the rest, and when it was over.

Everything is counted from the customers' history, in which the orders of a phase are named after it.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain

from services.local.chaos.history import Attempt, Outcome

WINDOW = 3.0
"""Seconds over which a light load is looked at."""

SUCCESS = 0.99
_MEDIAN_NEAR, _TENTH_NEAR = 1.5, 2.0
"""How many times the idle latency is still near it: of the median, and of the slowest tenth."""

OVERLOADED = "overloaded"


@dataclass(frozen=True, kw_only=True)
class Phase:
    """Some seconds of one load, from `began` to `ended` since 1970; `cpu` seconds were the load generator's own."""

    name: str
    began: float
    ended: float
    cpu: float

    @property
    def seconds(self) -> float:
        """How long it took."""
        return self.ended - self.began

    def of(self, attempts: Iterable[Attempt]) -> list[Attempt]:
        """What was asked in this phase, in the order in which it was."""
        mine = (one for one in attempts if one.process.startswith(f"{self.name}-"))
        return sorted(mine, key=lambda one: one.began)


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What came of a phase.

    :param rate: orders a second that were asked for.
    :param goodput: orders a second that were acknowledged in time, and before the phase ended.
    :param slowest: the 99th percentile of the acknowledged ones' latencies, in seconds.
    :param refused: sent away at once; `late` were given up, and `otherwise` is whatever else was answered.
    """

    rate: float
    goodput: float
    slowest: float
    refused: int
    late: int
    otherwise: int


def figures(phase: Phase, attempts: Iterable[Attempt]) -> Figures:
    """Count a phase."""
    asked = phase.of(attempts)
    took = sorted(latencies(asked))
    became = Counter(_became(one) for one in asked)
    in_time = sum(one.outcome is Outcome.OK and one.ended is not None and one.ended <= phase.ended for one in asked)
    return Figures(
        rate=len(asked) / phase.seconds,
        goodput=in_time / phase.seconds,
        slowest=quantile(took, 0.99),
        refused=became["refused"],
        late=became["late"],
        otherwise=became["otherwise"],
    )


def _became(one: Attempt) -> str:
    if one.outcome is Outcome.OK:
        return "acknowledged"
    if one.told.get("error") == OVERLOADED:
        return "refused"
    return "otherwise" if "status" in one.told else "late"


def latencies(attempts: Iterable[Attempt]) -> list[float]:
    """Seconds that each acknowledged order took."""
    return [one.took for one in attempts if one.outcome is Outcome.OK and one.took is not None]


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value that this share (0 to 1) does not exceed; infinite when there is none."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else math.inf


@dataclass(frozen=True, kw_only=True)
class Idle:
    """Latencies of a light load while there was nothing else, in seconds."""

    median: float
    tenth: float

    @classmethod
    def of(cls, attempts: Iterable[Attempt]) -> "Idle":
        """Measure it; `tenth` is what the slowest tenth exceeds."""
        took = sorted(latencies(attempts))
        return cls(median=quantile(took, 0.5), tenth=quantile(took, 0.9))

    def is_near(self, attempts: Sequence[Attempt]) -> bool:
        """Whether these were answered as if nothing had been: 99 % of them, and about as fast."""
        took = sorted(latencies(attempts))
        if not attempts or len(took) < SUCCESS * len(attempts):
            return False
        near = quantile(took, 0.5) <= _MEDIAN_NEAR * self.median
        return near and quantile(took, 0.9) <= _TENTH_NEAR * self.tenth


def recovery(light: Sequence[Attempt], idle: Idle, *, over: float) -> float:
    """Seconds from the end of an overload until a window begins in which a light load is served as when idle.

    :param light: what was asked from the end of the overload on, in order; infinite when there is no such window.
    """
    end = light[-1].began if light else -math.inf
    for since in chain((over,), (one.began for one in light)):
        if since + WINDOW > end:
            break
        if idle.is_near([one for one in light if since <= one.began < since + WINDOW]):
            return since - over
    return math.inf
