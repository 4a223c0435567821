"""The crash-point sweep: the process dies at every failpoint, and everything converges.

A case is an application, a failpoint, what the provider does, and a part of a journey in which the point is passed. The
point is armed when that part begins; a good client goes on as if nothing had happened. The case has converged when the
process died, is back, the journey came to its end, and the audit finds nothing.
"""

import asyncio
import json
import random
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from services.local import console, health
from services.local.audit import Finding, Sources, audit, sources_of
from services.local.proofs import points
from services.local.proofs.journeys import JOURNEYS
from services.local.proofs.scouting import Passage, Target, Watch, scout
from services.local.proofs.shop import Outcome, Shop
from services.local.refusals import Refusal
from services.local.system import System
from services.shared import failpoints

_ENV = {
    "SIDECART_RATE_LIMIT_FACTOR": "1000",
    "SIDECART_RECONCILIATION_SECONDS": "86400",
    "SIDECART_RECONCILIATION_GRACE_SECONDS": "0",
}
"""Nobody is held up by limits; reconciliation is asked for, and repairs at once."""
_JOURNEY_SECONDS = 180.0
_PASSING_SECONDS = 5.0
_CONVERGING_SECONDS = 30.0
_POLL_SECONDS = 0.2
_SCOUTED_FOR_A_SAMPLE = 3
START = "begin"
"""The part of every journey before its first named one."""

Passages = dict[tuple[Target, Outcome], list[Passage]]


@dataclass(frozen=True, kw_only=True)
class Options:
    """How much of the sweep: `sample` cases or all, those whose application or point contains `only`, every passage."""

    seed: int
    sample: int | None = None
    only: str = ""
    thorough: bool = False


@dataclass(frozen=True, kw_only=True)
class Case:
    """One death."""

    target: Target
    outcome: Outcome
    passage: Passage

    def __str__(self) -> str:
        """For people."""
        where = f"{self.passage.journey}: {self.passage.stage}"
        return f"{self.target.app_id} dies at {self.target.point} ({where}; payment {self.outcome})"


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of a case; an empty `failure` means that it converged."""

    case: Case
    seconds: float
    failure: str = ""
    findings: Sequence[Finding] = ()


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the sweep found."""

    options: Options
    results: Sequence[Result]
    missed: Sequence[Target] = ()
    """Failpoints that no journey passes."""
    seconds: float

    @property
    def failures(self) -> list[Result]:
        """The cases that did not converge."""
        return [result for result in self.results if result.failure]

    @property
    def has_converged(self) -> bool:
        """Whether every case did, and every point was passed."""
        return bool(self.results) and not self.failures and not self.missed

    @property
    def targets(self) -> set[Target]:
        """The failpoints at which something died."""
        return {result.case.target for result in self.results}

    def as_json(self) -> str:
        """For programs."""
        told = {
            "options": vars(self.options),
            "seconds": round(self.seconds, 1),
            "points": len({target.point for target in self.targets}),
            "cases": len(self.results),
            "missed": [vars(target) for target in self.missed],
            "failures": [_told(result) for result in self.failures],
            "results": [[str(result.case), round(result.seconds, 1), not result.failure] for result in self.results],
        }
        return json.dumps(told, indent=2, default=str) + "\n"


def _told(result: Result) -> dict[str, object]:
    return {
        "case": str(result.case),
        "failure": result.failure,
        "findings": [vars(finding) for finding in result.findings],
    }


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
    _known: set[tuple[str, str, str]] = field(default_factory=set)
    """Findings that an earlier case was blamed for."""

    async def run(self) -> Report:
        """Scout, then let everything die once at every point."""
        began = time.monotonic()
        targets = [target for target in all_targets() if self.options.only in f"{target.app_id} {target.point}"]
        passages = await self._scouted(targets)
        results = [await self._tried(case) for case in chosen(passages, self.options)]
        missed = [] if self.options.sample else sorted(set(targets) - {target for target, _ in passages})
        return Report(options=self.options, results=results, missed=missed, seconds=time.monotonic() - began)

    async def _scouted(self, targets: Sequence[Target]) -> Passages:
        passages: Passages = {}
        for journey, outcome in scouted(self.options):
            self.steps(f"scouting {journey}, payment {outcome}")
            async with Shop.visited(self.system) as shop:
                found = await scout(shop, Watch(self.root, targets), journey, outcome)
                await shop.provider("DELETE", "/faults")
            for target, where in found.items():
                passages.setdefault((target, outcome), []).extend(where)
        return passages

    async def _tried(self, case: Case) -> Result:
        began = time.monotonic()
        failure, findings = await self._die(case)
        result = Result(case=case, seconds=time.monotonic() - began, failure=failure, findings=findings)
        self.steps(f"{case}: {failure or 'converged'}, {result.seconds:.1f} s")
        for finding in findings:
            self.steps(f"    {finding.invariant} {finding.check} {finding.subject} {finding.told}")
        return result

    async def _die(self, case: Case) -> tuple[str, Sequence[Finding]]:
        armed = self.root / case.target.app_id / case.target.point
        try:
            async with asyncio.timeout(_JOURNEY_SECONDS), Shop.visited(self.system) as shop:
                await self._play(shop, case, armed)
                findings = await self._converged(shop)
        except Exception as error:  # noqa: BLE001 - whatever breaks a case is told of it, and the others go on
            return f"{type(error).__name__}: {error}", await self._fresh(sources_of(self.system))
        finally:
            _disarm(armed)
        return "does not converge" if findings else "", findings

    async def _play(self, shop: Shop, case: Case, armed: Path) -> None:
        """Play the journey with its death.

        :raises NotPassed: the process lives.
        """
        pid = self.system.processes[case.target.app_id].pid
        await self._journey(shop, case, case.passage.stage)
        if not await health.becomes_true(_gone(armed), within=_PASSING_SECONDS):
            _disarm(armed)
            await self._journey(shop, case, START)
        await shop.provider("DELETE", "/faults")
        if not await health.becomes_true(_gone(armed), within=_PASSING_SECONDS):
            raise NotPassed("the process did not come by")
        if not await health.becomes_true(lambda: self._is_back(case.target.app_id, pid), within=_CONVERGING_SECONDS):
            raise NotPassed("the process did not come back")

    async def _journey(self, shop: Shop, case: Case, armed_at: str) -> None:
        async def reach(stage: str) -> None:
            if stage == armed_at:
                failpoints.arm(self.root, case.target.app_id, case.target.point)

        await reach(START)
        await JOURNEYS[case.passage.journey](shop, case.outcome, reach)

    async def _is_back(self, app_id: str, pid: int) -> bool:
        process = self.system.processes[app_id]
        return process.pid != pid and await health.answers(process.probe)

    async def _converged(self, shop: Shop) -> Sequence[Finding]:
        """What the audit still finds when the time for converging is over; that is blamed on this case alone."""
        deadline, sources = time.monotonic() + _CONVERGING_SECONDS, sources_of(self.system)
        while True:
            await asyncio.to_thread(shop.clocks.hurry)
            findings = await self._fresh(sources)
            if not findings or time.monotonic() > deadline:
                self._known |= {_key(finding) for finding in findings}
                return findings
            await asyncio.sleep(_POLL_SECONDS)

    async def _fresh(self, sources: Sources) -> list[Finding]:
        report = await audit(sources, quiet=timedelta())
        return [finding for finding in report.findings if _key(finding) not in self._known]


class NotPassed(Refusal):
    """Nothing died."""


def all_targets() -> list[Target]:
    """Every failpoint in every application that runs it."""
    return sorted(Target(app_id, point.name) for point in points.find() for app_id in points.runners(point))


def scouted(options: Options) -> Iterable[tuple[str, Outcome]]:
    """The journeys to scout: all with every outcome, for a sample a few of them, the first among these."""
    every = [(journey, outcome) for journey in JOURNEYS for outcome in Outcome]
    if options.sample is None:
        return every
    draw = random.Random(options.seed)  # noqa: S311 - the same for the same seed
    names, outcomes = list(JOURNEYS), draw.sample(list(Outcome), len(Outcome))
    others = draw.sample(names[1:], _SCOUTED_FOR_A_SAMPLE - 1)
    return list(zip([names[0], *others], outcomes, strict=False))


def chosen(passages: Mapping[tuple[Target, Outcome], Sequence[Passage]], options: Options) -> list[Case]:
    """The cases: every passage, or one of each point and outcome as the seed falls; a sample takes of all apps."""
    draw = random.Random(options.seed)  # noqa: S311 - the same for the same seed
    cases = []
    for (target, outcome), where in sorted(passages.items()):
        taken = where if options.thorough else [draw.choice(sorted(where))]
        cases += [Case(target=target, outcome=outcome, passage=passage) for passage in taken]
    return cases if options.sample is None else _sample(cases, options.sample, draw)


def _sample(cases: Sequence[Case], size: int, draw: random.Random) -> list[Case]:
    """So many cases, the applications in turn."""
    by_app: dict[str, list[Case]] = {}
    for case in draw.sample(cases, len(cases)):
        by_app.setdefault(case.target.app_id, []).append(case)
    taken: list[Case] = []
    while len(taken) < size and any(by_app.values()):
        taken += [waiting.pop() for _, waiting in sorted(by_app.items()) if waiting][: size - len(taken)]
    return taken


def _key(finding: Finding) -> tuple[str, str, str]:
    return finding.invariant, finding.check, finding.subject


def _disarm(armed: Path) -> None:
    armed.unlink(missing_ok=True)


def _gone(armed: Path) -> Callable[[], Awaitable[bool]]:
    return lambda: asyncio.to_thread(lambda: not armed.exists())
