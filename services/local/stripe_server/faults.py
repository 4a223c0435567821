"""Faults that a test asks for: what is to go wrong with the next calls of a kind."""

import asyncio
from enum import StrEnum, auto

from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt


class FaultKind(StrEnum):
    """What goes wrong: before executing, while executing, or only with the answer."""

    DROP_REQUEST = auto()
    DROP_ANSWER = auto()
    LATENCY = auto()
    ERROR_500 = auto()


class Fault(BaseModel):
    """The next `times` calls that match are struck; `match` is an operation's name such as `confirm`."""

    model_config = ConfigDict(extra="forbid")

    match: str
    kind: FaultKind
    times: PositiveInt = 1
    seconds: PositiveFloat = 1.0


class Faults:
    """The faults that are still to strike, in the order in which they were asked for."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        """Ask for a fault."""
        self._waiting.append(fault.model_copy())

    def clear(self) -> None:
        """Forget what has not struck yet."""
        self._waiting.clear()

    def take(self, operation: str) -> Fault | None:
        """The fault that strikes this call, used up by one."""
        struck = next((fault for fault in self._waiting if fault.match == operation), None)
        if struck is not None:
            struck.times -= 1
            self._waiting = [fault for fault in self._waiting if fault.times]
        return struck


async def pause(fault: Fault | None) -> None:
    """Hold a call up for as long as its fault says."""
    if fault is not None and fault.kind is FaultKind.LATENCY:
        await asyncio.sleep(fault.seconds)
