"""Scouting: a journey is played undisturbed, to see which failpoints each application passes in which part of it."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from services.local.proofs.journeys import JOURNEYS
from services.local.proofs.shop import Outcome, Shop
from services.shared import failpoints

START = "begin"
"""The part of every journey before its first named one."""

_QUIET_SECONDS = 0.4
_SETTLING_SECONDS = 10.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True, order=True)
class Target:
    """A failpoint in one of the applications that run it."""

    app_id: str
    point: str


@dataclass(frozen=True, order=True)
class Passage:
    """The part of a journey in which a failpoint is passed."""

    journey: str
    stage: str


class Watch:
    """The failpoints of a system that are watched without harm."""

    def __init__(self, root: Path, targets: Iterable[Target]) -> None:
        """`root` is the folder that the system looks for its failpoints in."""
        self._root = root
        self._targets = list(targets)
        self._watched: dict[Target, Path] = {}

    def begin(self) -> None:
        """Watch all from now on."""
        self._watched = {
            target: failpoints.watch_for(self._root, target.app_id, target.point) for target in self._targets
        }

    def passed(self) -> set[Target]:
        """Those that were passed since."""
        return {target for target, path in self._watched.items() if not path.exists()}

    def end(self) -> None:
        """Watch none."""
        for path in self._watched.values():
            path.unlink(missing_ok=True)


async def scout(shop: Shop, watch: Watch, journey: str, outcome: Outcome) -> dict[Target, list[Passage]]:
    """Play a journey and tell where every failpoint is passed."""
    found: dict[Target, list[Passage]] = {}
    stages = [START]

    def note() -> None:
        for target in watch.passed():
            found.setdefault(target, []).append(Passage(journey, stages[-1]))

    async def reach(stage: str) -> None:
        await _settled(shop, watch)
        note()
        stages.append(stage)
        watch.begin()

    watch.begin()
    try:
        await JOURNEYS[journey](shop, outcome, reach)
        await _settled(shop, watch)
        note()
    finally:
        watch.end()
    return found


async def _settled(shop: Shop, watch: Watch) -> None:
    """Wait until nothing is on its way any more: every fact published, and no failpoint passed for a while."""
    deadline, passed = time.monotonic() + _SETTLING_SECONDS, watch.passed()
    quiet_since = time.monotonic()
    while (now := time.monotonic()) < deadline and now - quiet_since < _QUIET_SECONDS:
        await asyncio.sleep(_POLL_SECONDS)
        seen = watch.passed()
        if await asyncio.to_thread(shop.clocks.debts) > 0 or seen != passed:
            quiet_since, passed = time.monotonic(), seen
