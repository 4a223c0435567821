"""Keeping processes running: start, restart with growing pauses, wait for health, stop in reverse order."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from services.local import health, processes
from services.local.processes import Spec
from services.local.refusals import Refusal, StartFailed
from services.local.state import Phase, Record, Running, State, birth
from services.local.topology import Ports

START_LIMIT = 120.0
"""Seconds after which a process that has not become healthy has failed."""

START_ATTEMPTS = 5
"""How often a process may end while the system starts."""

LOGS_EVERY = 60.0
"""Seconds between two looks at the size of the logs."""

Report = Callable[[str], None]


@dataclass(slots=True)
class Backoff:
    """Pauses before a restart: half a second, doubled up to fifteen, and from the start after thirty good seconds.

    A process that was killed has not failed: it starts again after the shortest pause and counts for nothing.
    """

    shortest: float = 0.5
    longest: float = 15.0
    settled: float = 30.0
    _next: float = field(default=0.0, init=False)

    def after(self, lasted: float, *, killed: bool = False) -> float:
        """The pause in seconds after a run that lasted so long."""
        if killed:
            return self.shortest
        pause = self.shortest if lasted >= self.settled else max(self._next, self.shortest)
        self._next = min(pause * 2, self.longest)
        return pause


class Child:
    """One process that is kept running until it is told to stop."""

    def __init__(self, spec: Spec, log: Path, changed: Callable[[], None], report: Report) -> None:
        """Start keeping it; `changed` is called when it has another process id, `report` told when it ends unasked."""
        self.spec = spec
        self.ended = 0
        self.running: Running | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._log = log
        self._changed = changed
        self._report = report
        self._stopping = asyncio.Event()
        self._task = asyncio.create_task(self._keep())

    async def stop(self) -> None:
        """End it for good; returns when it is gone."""
        self._stopping.set()
        if self._process is not None:
            await processes.stop(self._process, self.spec)
        await self._task

    async def healthy(self) -> None:
        """Wait until it answers.

        :raises StartFailed: it keeps ending, or does not answer in time.
        """
        if not await health.becomes_true(self._answers, within=START_LIMIT):
            raise self._failed(f"did not become healthy within {START_LIMIT:.0f} s")

    async def _answers(self) -> bool:
        if self.ended >= START_ATTEMPTS:
            raise self._failed("keeps ending")
        return await health.answers(self.spec.probe)

    def _failed(self, why: str) -> StartFailed:
        return StartFailed(f"{self.spec.name} {why}. The end of {self._log}:\n{processes.tail(self._log)}")

    async def _keep(self) -> None:
        loop, backoff = asyncio.get_running_loop(), Backoff()
        while not self._stopping.is_set():
            began = loop.time()
            code, told = await self._run_once()
            self.ended += 1
            if not self._stopping.is_set():
                pause = backoff.after(loop.time() - began, killed=code == -signal.SIGKILL)
                self._report(f"{self.spec.name} {told} and starts again in {pause:.1f} s; see {self._log}")
                await self._pause(pause)

    async def _run_once(self) -> tuple[int | None, str]:
        """Run it to its end: its exit code, if it has one, and what became of it in words."""
        try:
            self._process = await processes.spawn(self.spec, self._log)
        except OSError as error:
            return None, f"could not be started ({error})"
        self.running = processes.running(self.spec, self._process.pid)
        self._changed()
        if self._stopping.is_set():
            await processes.stop(self._process, self.spec)
        code = await self._process.wait()
        return code, f"ended ({_told(code)})"

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return


class Supervisor:
    """The children of one system and the record of them."""

    def __init__(self, state: State, ports: Ports, report: Report) -> None:
        """`report` is told what is being done, for whoever watches."""
        self.state = state
        self._report = report
        self._ports = ports
        self._phase, self._message = Phase.STARTING, ""
        self._children: dict[str, Child] = {}

    def say(self, message: str, phase: Phase | None = None) -> None:
        """Tell the watcher and the record how far the system is."""
        self._message, self._phase = message, phase or self._phase
        self._write()
        self._tell(message)

    def fail(self, message: str) -> None:
        """Record why the system does not start."""
        self._message, self._phase = message, Phase.FAILED
        self._write()

    def start(self, specs: Iterable[Spec]) -> tuple[Child, ...]:
        """Begin to keep these processes."""
        started = tuple(Child(spec, self.state.log(spec.name), self._write, self._tell) for spec in specs)
        self._children |= {child.spec.name: child for child in started}
        return started

    async def started(self, specs: Iterable[Spec]) -> None:
        """Begin to keep these processes and wait until all answer.

        :raises StartFailed: one does not.
        """
        await all_healthy(self.start(specs))

    async def tend_logs(self) -> None:
        """Keep every log within its bounds and the record true, until cancelled.

        What fails for want of room on the disk is told and tried again in the next round.
        """
        while True:
            await asyncio.sleep(LOGS_EVERY)
            for name in self._children:
                try:
                    processes.rotate(self.state.log(name))
                except OSError as error:
                    self._tell(f"the log of {name} could not be moved aside ({error})")
            self._write()

    async def stop(self) -> None:
        """Stop everything, the last started kind first.

        :raises ExceptionGroup: keeping something failed; the rest is stopped all the same.
        """
        order = {child.spec.kind: None for child in reversed(self._children.values())}
        failures: list[Exception] = []
        for kind in order:
            stopping = (child.stop() for child in self._children.values() if child.spec.kind is kind)
            ended = await asyncio.gather(*stopping, return_exceptions=True)
            failures += [outcome for outcome in ended if isinstance(outcome, Exception)]
        if failures:
            raise ExceptionGroup("processes could not be kept running", failures)

    def _tell(self, message: str) -> None:
        """Tell the watcher; one who cannot be told, because the disk of its log is full, is no reason to stop."""
        with contextlib.suppress(OSError):
            self._report(message)

    def _write(self) -> None:
        running = tuple(child.running for child in self._children.values() if child.running is not None)
        try:
            self.state.write(
                Record(
                    supervisor=os.getpid(),
                    started=birth(os.getpid()),
                    offset=self._ports.offset,
                    detour=self._ports.detour,
                    phase=self._phase,
                    message=self._message,
                    processes=running,
                )
            )
        except OSError as error:
            self._tell(f"the record could not be written ({error})")


def _told(code: int) -> str:
    return f"exit code {code}" if code >= 0 else f"killed by {signal.Signals(-code).name}"


async def all_healthy(children: Iterable[Child]) -> None:
    """Wait until all answer; the first failure ends the waiting.

    :raises StartFailed: one does not.
    """
    await together(*(child.healthy() for child in children))


async def together(*works: Coroutine[Any, Any, None]) -> None:
    """Do several things at once; the first refusal ends the others and is raised as it is.

    :raises Refusal: one was refused.
    """
    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)
    except* Refusal as refusals:
        raise refusals.exceptions[0] from None
