"""Looking, while customers come and processes die, whether the shop serves."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from services.local import health
from services.local.chaos.history import Following
from services.local.chaos.recovery import back_after
from services.local.system import System

LAG = 1.0
"""Seconds that an answer may take; what was asked later may still be under way and tells nothing."""


@dataclass(frozen=True, kw_only=True)
class Watch:
    """Whoever looks: at what customers are told, and at every process.

    :param within: seconds after which they give up.
    """

    following: Following
    everything_answers: Callable[[], Awaitable[bool]]
    within: float = 60.0
    clock: Callable[[], float] = time.time

    async def serves_again(self, since: float) -> bool:
        """Wait until the shop has served for some quiet seconds since a moment; whether it ever does."""
        return await health.becomes_true(lambda: self._serves(since), within=self.within)

    async def _serves(self, since: float) -> bool:
        back = back_after(self.following.attempts(), since, until=self.clock() - LAG)
        return back < math.inf and await self.everything_answers()


async def everything_answers(system: System) -> bool:
    """Whether every process answers, and the gateway reaches everything."""
    probes = [process.probe for process in system.processes.values()]
    return all(await asyncio.gather(*(health.answers(one) for one in (*probes, f"{system.base_url}/readyz"))))
