"""Converging: nothing is unfinished any more, and an audit that rebuilds everything finds nothing."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Self

from services.local.audit import Finding, Report, audit, sources_of
from services.local.chaos.books import Auditor
from services.local.proofs.clocks import Clocks
from services.local.system import System

_WITHIN_SECONDS = 60.0
_POLL_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True)
class Rest:
    """What a system has come to: what the audit finds, and how much still waits for something."""

    findings: Sequence[Finding]
    unfinished: int

    @property
    def failure(self) -> str:
        """Why it has not converged, if it has not."""
        left = f"{self.unfinished} unfinished" if self.unfinished else ""
        found = "the audit finds something" if self.findings else ""
        return " and ".join(filter(None, (left, found)))


@dataclass(kw_only=True)
class Convergence:
    """One system after each of its cases: what an earlier case was blamed for, no later one is.

    The deadlines of the audit are those of a shop in service. What was taken up and never ended is not overdue by them
    for a while, so everything that waits is counted too.
    """

    hurry: Callable[[], None]
    unfinished: Callable[[], int]
    look: Callable[[], Awaitable[Report]]
    within: float = _WITHIN_SECONDS
    _known: set[tuple[str, str, str]] = field(default_factory=set)
    _left: int = 0

    @classmethod
    def of(cls, system: System) -> Self:
        """Of a running system."""
        auditor, sources = Auditor(system), sources_of(system)
        return cls(
            hurry=Clocks(system).hurry,
            unfinished=lambda: auditor.books(()).unfinished,
            look=lambda: audit(sources, quiet=timedelta(), rebuilds=True),
        )

    async def reached(self) -> Rest:
        """What there is once all is well, or when the time for that is over."""
        deadline = time.monotonic() + self.within
        while True:
            await asyncio.to_thread(self.hurry)
            unfinished, is_late = await self._unfinished(), time.monotonic() > deadline
            if not unfinished or is_late:
                rest = Rest(findings=await self._fresh(), unfinished=unfinished)
                if not rest.findings or is_late:
                    return rest
            await asyncio.sleep(_POLL_SECONDS)

    async def now(self) -> Rest:
        """What there is now."""
        return Rest(findings=await self._fresh(), unfinished=await self._unfinished())

    def blame(self, rest: Rest) -> None:
        """Put it down to the case that has just ended."""
        self._known |= {_key(finding) for finding in rest.findings}
        self._left += rest.unfinished

    async def _unfinished(self) -> int:
        unfinished = await asyncio.to_thread(self.unfinished)
        self._left = min(self._left, unfinished)
        return unfinished - self._left

    async def _fresh(self) -> list[Finding]:
        return [finding for finding in (await self.look()).findings if _key(finding) not in self._known]


def _key(finding: Finding) -> tuple[str, str, str]:
    return finding.invariant, finding.check, finding.subject
