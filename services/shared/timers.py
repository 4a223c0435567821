"""Timers: work that is due by the clock, one row per transaction, so that one bad row cannot block the rest."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from services.shared import telemetry
from services.shared.runtime import Runtime

Step = Callable[[Runtime], Awaitable[bool]]

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Timer:
    """`step` does one piece of work and answers whether there may be more; with none left it rests for `seconds`."""

    name: str
    seconds: float
    step: Step

    async def run(self, runtime: Runtime) -> None:
        """Work until cancelled. A step that fails is recorded and tried again after a rest."""
        while True:
            if not await self._step(runtime):
                await asyncio.sleep(self.seconds)

    async def _step(self, runtime: Runtime) -> bool:
        with telemetry.trace_from(None):
            try:
                return await self.step(runtime)
            except Exception as error:
                telemetry.TIMER_FAILURES.labels(self.name).inc()
                log.exception("timer.failed", timer=self.name, error=type(error).__name__)
                return False
