"""The crash-point sweep: the process dies at every failpoint, and everything converges.

A case is an application, a failpoint, what the provider does, and a part of a journey in which the point is passed. The
point is armed when that part begins; a good client goes on as if nothing had happened. The case has converged when the
process died, is back, the journey came to its end, nothing is unfinished, and the audit finds nothing.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from services.local import console, health
from services.local.proofs import cases
from services.local.proofs.cases import Case, Options, Passages, Report, Result
from services.local.proofs.converging import Convergence, Rest
from services.local.proofs.journeys import JOURNEYS
from services.local.proofs.scouting import START, Passage, Target, Watch, scout
from services.local.proofs.shop import Outcome, Shop
from services.local.refusals import Refusal
from services.local.system import System
from services.shared import failpoints

_ENV = {
    "SIDECART_RATE_LIMIT_FACTOR": "1000",
    "SIDECART_CATCH_UP_SECONDS": "1",
    "SIDECART_RECONCILIATION_SECONDS": "86400",
    "SIDECART_RECONCILIATION_GRACE_SECONDS": "0",
    "SIDECART_RECONCILIATION_PAGE": "20",
}
"""Nobody is held up by limits; producers are asked while a journey lasts; reconciliation is asked for, repairs at once,
and reads the balance in several pages."""
_CASE_SECONDS = 300.0
_PASSING_SECONDS = 5.0
_BACK_SECONDS = 60.0


def prove(options: Options, steps: console.Steps) -> Report:
    """Sweep on a system of its own, telling each step."""
    with tempfile.TemporaryDirectory(prefix="failpoints-") as folder:
        Path(folder).chmod(0o755)
        steps("starting a system")
        with System.start(env=_ENV | {"SIDECART_FAILPOINTS": folder}) as system:
            report = asyncio.run(Sweep(system, Path(folder), options, steps).run())
            if report.failures:
                system.keep()
                steps(f"the logs and the databases of this system are kept in {system.state_dir}")
            return report


@dataclass
class Sweep:
    """A sweep of one system."""

    system: System
    root: Path
    options: Options
    steps: console.Steps
    convergence: Convergence = field(init=False)

    def __post_init__(self) -> None:
        """Nothing is to blame for anything yet."""
        self.convergence = Convergence.of(self.system)

    async def run(self) -> Report:
        """Scout, then let everything die once at every point."""
        began = time.monotonic()
        targets, results = cases.targets(self.options), list[Result]()
        for case in cases.chosen(await self._scouted(targets), self.options):
            if sum(result.has_died for result in results) == self.options.sample:
                break
            results.append(await self._tried(case))
        return Report(options=self.options, targets=targets, results=results, seconds=time.monotonic() - began)

    async def _scouted(self, targets: Sequence[Target]) -> Passages:
        passages: Passages = {}
        for journey, outcome in cases.scouted(self.options):
            if all((target, each) in passages for target in targets for each in Outcome):
                break
            self.steps(f"scouting {journey}, payment {outcome}")
            async with Shop.visited(self.system) as shop:
                found = await scout(shop, Watch(self.root, targets), journey, outcome)
                await shop.provider("DELETE", "/faults")
            for target, where in found.items():
                passages.setdefault((target, outcome), []).extend(where)
        return passages

    async def _tried(self, case: Case) -> Result:
        began = time.monotonic()
        try:
            failure, rest = await self._die(case)
        except NotPassed:
            result = Result(case=case, seconds=time.monotonic() - began, has_died=False)
        else:
            self.convergence.blame(rest)
            result = Result(case=case, seconds=time.monotonic() - began, failure=failure, findings=rest.findings)
        became = (result.failure or "converged") if result.has_died else "did not come by"
        self.steps(f"{case}: {became}, {result.seconds:.1f} s")
        for finding in result.findings:
            self.steps(f"    {finding.invariant} {finding.check} {finding.subject} {finding.told}")
        return result

    async def _die(self, case: Case) -> tuple[str, Rest]:
        """Why a case has not converged, if it has not, and what it has come to.

        :raises NotPassed: nothing died.
        """
        armed = self.root / case.target.app_id / case.target.point
        try:
            async with asyncio.timeout(_CASE_SECONDS), Shop.visited(self.system) as shop:
                await self._play(shop, case, armed)
                rest = await self.convergence.reached()
        except NotPassed:
            raise
        except Exception as error:  # noqa: BLE001 - whatever breaks a case is told of it, and the others go on
            return f"{type(error).__name__}: {error}", await self.convergence.now()
        finally:
            _disarm(armed)
        return rest.failure, rest

    async def _play(self, shop: Shop, case: Case, armed: Path) -> None:
        """Play the journey with its death.

        :raises NotPassed: the process lives.
        :raises NotBack: the process stays away.
        """
        pid = self.system.processes[case.target.app_id].pid
        for passage in (case.passage, *(Passage(one.journey, START) for one in (case.passage, *case.others))):
            await self._journey(shop, case, passage)
            await shop.provider("DELETE", "/faults")
            if await health.becomes_true(_gone(armed), within=_PASSING_SECONDS):
                break
            _disarm(armed)
        else:
            raise NotPassed
        if not await health.becomes_true(lambda: self._is_back(case.target.app_id, pid), within=_BACK_SECONDS):
            raise NotBack(case.target.app_id)

    async def _journey(self, shop: Shop, case: Case, passage: Passage) -> None:
        async def reach(stage: str) -> None:
            if stage == passage.stage:
                failpoints.arm(self.root, case.target.app_id, case.target.point)

        await reach(START)
        await JOURNEYS[passage.journey](shop, case.outcome, reach)

    async def _is_back(self, app_id: str, pid: int) -> bool:
        process = self.system.processes[app_id]
        return process.pid != pid and await health.answers(process.probe)


class NotPassed(Refusal):
    """The process did not come by."""


class NotBack(Refusal):
    """The process did not come back."""


def _disarm(armed: Path) -> None:
    armed.unlink(missing_ok=True)


def _gone(armed: Path) -> Callable[[], Awaitable[bool]]:
    return lambda: asyncio.to_thread(lambda: not armed.exists())
