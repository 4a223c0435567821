"""Overload: twice and five times the orders that the system can place, and it goes on placing as many as it can.

The customers share the processors with the system, so what they cost themselves is a part of what is missing.
"""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass

from services.local import audit
from services.local.chaos import history
from services.local.chaos.history import Attempt
from services.local.customer import meter, place
from services.local.proofs import goodput, rush
from services.local.proofs.goodput import Figures, Idle, Phase
from services.local.proofs.verdict import Verdict
from services.local.refusals import Refusal
from services.local.system import System
from services.local.topology import ROOT

LEAST_GOODPUT = 0.85
LONGEST_RECOVERY = 10.0

_PATIENCE = 4.0
_SETTLES_WITHIN = 120.0

Tell = Callable[[str], None]


class RushBroken(Refusal):
    """The customers' process has ended before its time."""

    def __init__(self) -> None:
        """Say where to look."""
        super().__init__("The process of the customers has ended before its time; what it says is above.")


@dataclass(frozen=True, kw_only=True)
class Options:
    """How many seconds each load lasts."""

    seconds: int = 20
    seed: int = 1


@dataclass(frozen=True, kw_only=True)
class Press:
    """One overload, `share` the part (0 to 1) of all processors that the customers' own process took, and what came."""

    factor: int
    figures: Figures
    recovery: float
    share: float


@dataclass(frozen=True, kw_only=True)
class Result:
    """The capacity in orders a second, what a light load is answered within, the overloads, the audit's findings."""

    capacity: float
    idle: Idle
    presses: Sequence[Press]
    findings: int

    @property
    def verdicts(self) -> list[Verdict]:
        """The figures."""
        audited = Verdict(
            name="audit with the customers' history",
            target="0 findings",
            reached=f"{self.findings} findings",
            is_reached=not self.findings,
        )
        return [*(one for press in self.presses for one in self._of(press)), audited]

    def _of(self, press: Press) -> list[Verdict]:
        got, share = press.figures, press.figures.goodput / self.capacity
        became = f"{got.refused:,} refused, {got.late:,} too late, {got.otherwise:,} otherwise"
        return [
            Verdict(
                name=f"goodput at {press.factor}x capacity",
                target=f">= {LEAST_GOODPUT:.0%} of {self.capacity:.1f} orders/s",
                reached=(
                    f"{share:.0%}: {got.goodput:.1f} of {got.rate:.1f} orders/s, p99 {got.slowest:.2f} s; {became};"
                    f" the customers took {press.share:.0%} of the CPU"
                ),
                is_reached=share >= LEAST_GOODPUT,
            ),
            Verdict(
                name=f"recovery from {press.factor}x capacity",
                target=f"within {LONGEST_RECOVERY:.0f} s",
                reached=f"{press.recovery:.1f} s (idle: p50 {self.idle.median:.3f} s, p90 {self.idle.tenth:.3f} s)",
                is_reached=press.recovery <= LONGEST_RECOVERY,
            ),
        ]


async def prove(system: System, options: Options, tell: Tell) -> Result:
    """Measure what this system can do, and ask it for more."""
    where, file = place.at_offset(system.state, system.offset), system.state.root / "history.jsonl"
    task = rush.Task(
        base_url=where.base_url,
        operator_password=where.operator_password,
        history=str(file),
        seed=options.seed,
        seconds=options.seconds,
        patience=_PATIENCE,
    )
    phases: dict[str, Phase] = {}
    tell("customers make accounts")
    async with _rushing(task) as lines:
        before = _spent(system)
        async for line in lines:
            phase, now = Phase(**json.loads(line)), _spent(system)
            phases[phase.name] = phase
            tell(_told(phase, goodput.figures(phase, history.read(file)), spent=now - before))
            before = now
    tell("everything settles")
    audited = await audit.until_clean(audit.sources_of(system, histories=[file]), within=_SETTLES_WITHIN)
    return result(phases, history.read(file), findings=len(audited.findings))


def _spent(system: System) -> float:
    """CPU seconds of the system so far: less of them in a phase means that somebody else had the processors."""
    record = system.state.read()
    return meter.cpu_seconds(meter.processes(record)) if record else 0.0


def _told(phase: Phase, got: Figures, *, spent: float) -> str:
    return f"{phase.name}: {got.goodput:.1f} of {got.rate:.1f} orders a second, {spent:.1f} s of CPU"


@asynccontextmanager
async def _rushing(task: rush.Task) -> AsyncIterator[asyncio.StreamReader]:
    """The lines of the customers' process, which is gone when the block ends.

    :raises RushBroken: it did not end well.
    """
    pipe = asyncio.subprocess.PIPE
    arguments = (sys.executable, "-m", "services.local.proofs.rush")
    process = await asyncio.create_subprocess_exec(*arguments, stdin=pipe, stdout=pipe, cwd=ROOT)
    if process.stdin is None or process.stdout is None:
        raise RushBroken
    try:
        process.stdin.write(json.dumps(asdict(task)).encode() + b"\n")
        yield process.stdout
        if await process.wait():
            raise RushBroken
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def result(phases: dict[str, Phase], attempts: Sequence[Attempt], *, findings: int) -> Result:
    """Count what the customers saw."""
    idle = Idle.of(phases[rush.IDLE].of(attempts))
    closed = [phases[f"closed-{number}"] for number in rush.CLIENTS]
    return Result(
        capacity=max(goodput.figures(phase, attempts).goodput for phase in closed),
        idle=idle,
        presses=[_press(factor, phases, attempts, idle) for factor in rush.FACTORS],
        findings=findings,
    )


def _press(factor: int, phases: dict[str, Phase], attempts: Sequence[Attempt], idle: Idle) -> Press:
    phase = phases[f"{factor}x"]
    light = phases[f"{rush.LIGHT}-{factor}x"].of(attempts)
    return Press(
        factor=factor,
        figures=goodput.figures(phase, attempts),
        recovery=goodput.recovery(light, idle, over=phase.ended),
        share=phase.cpu / phase.seconds / (os.cpu_count() or 1),
    )
