"""Faults that a test asks for: what is to go wrong with the next calls of a kind."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum, auto
from random import Random
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, model_validator

from services.local.stripe_server import refusals
from services.local.stripe_server.refusals import Unexecuted

EVERY_CALL = "*"


class FaultKind(StrEnum):
    """What goes wrong: before executing, while executing, or only with the answer.

    The two 500s are stored under the call's key: `error_500` comes instead of what was asked for, `error_500_after`
    once it was done.
    """

    DROP_REQUEST = auto()
    DROP_ANSWER = auto()
    LATENCY = auto()
    ERROR_409 = auto()
    ERROR_429 = auto()
    ERROR_500 = auto()
    ERROR_500_AFTER = auto()
    ERROR_503 = auto()


_REFUSALS: Mapping[FaultKind, Unexecuted] = {
    FaultKind.ERROR_409: refusals.locked(),
    FaultKind.ERROR_429: refusals.too_many(),
    FaultKind.ERROR_503: refusals.away(),
}


class Fault(BaseModel):
    """What is to go wrong, with which calls, and how often.

    `match` is an operation's name such as `confirm`, or `*`. Either the next `times` calls that match are struck (one,
    when nothing is said), or every one with a `probability`, drawn from `seed`, until the faults are cleared.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    match: str
    kind: FaultKind
    times: PositiveInt | None = None
    probability: float | None = Field(default=None, gt=0, le=1)
    seed: int = 0
    seconds: PositiveFloat = 1.0
    """How long a call with `latency` is held up."""

    @model_validator(mode="after")
    def _one_or_the_other(self) -> Self:
        if self.times is not None and self.probability is not None:
            raise ValueError("either times or probability")
        return self

    @property
    def refusal(self) -> Unexecuted | None:
        """The answer that is given in the place of executing, and is not stored."""
        return _REFUSALS.get(self.kind)


@dataclass
class _Waiting:
    fault: Fault
    struck: int = 0
    random: Random = field(init=False)

    def __post_init__(self) -> None:
        self.random = Random(self.fault.seed)  # noqa: S311 - a test repeats what it drew

    @property
    def is_spent(self) -> bool:
        return self.fault.probability is None and self.struck >= (self.fault.times or 1)

    def strikes(self, operation: str) -> bool:
        if self.is_spent or self.fault.match not in {operation, EVERY_CALL}:
            return False
        if self.fault.probability is not None and self.random.random() >= self.fault.probability:
            return False
        self.struck += 1
        return True


class Faults:
    """The faults that were asked for, in that order; they end with the process."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []

    def add(self, fault: Fault) -> None:
        """Ask for a fault."""
        self._waiting.append(_Waiting(fault))

    def clear(self) -> None:
        """Let everything go well again."""
        self._waiting.clear()

    def told(self) -> list[dict[str, object]]:
        """Every fault that was asked for, with how many calls it has struck."""
        return [waiting.fault.model_dump() | {"struck": waiting.struck} for waiting in self._waiting]

    def take(self, operation: str) -> Fault | None:
        """The fault that strikes this call: the first that matches and has not been used up."""
        return next((waiting.fault for waiting in self._waiting if waiting.strikes(operation)), None)


async def pause(fault: Fault | None) -> None:
    """Hold a call up for as long as its fault says."""
    if fault is not None and fault.kind is FaultKind.LATENCY:
        await asyncio.sleep(fault.seconds)
