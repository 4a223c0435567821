"""Attempts and strikes at visible moments."""

from typing import Any

from services.local.chaos.history import Attempt, Outcome
from services.local.chaos.schedule import Deed, Strike
from services.local.chaos.striking import Struck


def attempt(began: float, *, ok: bool = True, took: float = 0.1, **told: Any) -> Attempt:
    return Attempt(
        id=str(began),
        process="ada",
        function="place",
        began=began,
        value={"key": str(began)},
        ended=began + took,
        outcome=Outcome.OK if ok else Outcome.INFO,
        told=told or ({"order_id": str(began)} if ok else {"error": "service-unavailable", "status": 503}),
    )


def paid(began: float, **told: Any) -> Attempt:
    """A payment that was acknowledged."""
    succeeded = attempt(began, **{"payment_id": str(began), "status": "succeeded"} | told)
    succeeded.function, succeeded.value = "pay", {"order_id": str(began)}
    return succeeded


def struck(
    time: float, *, kind: str = "service", deed: Deed = Deed.KILL, seconds: float = 0, alone: bool = False
) -> Struck:
    strike = Strike(at=time, deed=deed, kind=kind, names=("order",), seconds=seconds, alone=alone)
    return Struck(strike=strike, time=time, pids=(1,))


def stream(*failing: tuple[float, float], until: float = 60) -> list[Attempt]:
    """Ten requests a second; those that begin within one of the bounds fail."""
    moments = [number / 10 for number in range(int(until * 10))]
    return [attempt(moment, ok=not any(a <= moment < b for a, b in failing)) for moment in moments]
