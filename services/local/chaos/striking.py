"""Doing it: kills, pauses and rolls by signals to the recorded processes, the provider's faults through its door."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import aiohttp
import psutil
import psycopg

from services.local import health
from services.local.chaos.schedule import Deed, Strike, Victim
from services.local.plan import Plan
from services.local.system import System
from services.local.topology import LOOPBACK
from services.shared.relay import LOCK

_COMES_BACK_WITHIN = 60.0
_KILLED_WITHIN = 150.0
"""Seconds: who holds a relay lock is known only when a paused PostgreSQL goes on."""
_POLL = 0.05
_ANOTHER_TIME = 0.25
_TIMEOUT = aiohttp.ClientTimeout(total=5)
_ROADS = {Deed.PROVIDER: ("/faults", "POST"), Deed.WEBHOOKS: ("/webhooks", "PUT")}
_HOLDER = """
SELECT client_port FROM pg_locks JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND granted AND datname = current_database()
  AND (classid::bigint << 32 | objid::bigint) = %s
"""


@dataclass(frozen=True, kw_only=True)
class Struck:
    """What was done, when by the clock of the histories, and to which process ids."""

    strike: Strike
    time: float
    pids: tuple[int, ...]


@dataclass
class Striker:
    """Whoever does it. What was stopped goes on when the block around `working` ends, whatever happens."""

    system: System
    done: list[Struck] = field(default_factory=list)
    _paused: set[psutil.Process] = field(default_factory=set)

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Until the end of the block; after it nothing is paused and the provider behaves."""
        try:
            yield
        finally:
            _resume(self._paused)
            for path, _ in _ROADS.values():
                await self._provider("DELETE", path)

    async def do(self, strike: Strike) -> None:
        """Do one thing, and write down that it was done."""
        deeds = {Deed.KILL: self._kill, Deed.PAUSE: self._pause, Deed.ROLL: self._roll}
        await deeds.get(strike.deed, self._trouble)(strike)

    def _note(self, strike: Strike, *struck: psutil.Process) -> None:
        self.done.append(Struck(strike=strike, time=time.time(), pids=tuple(process.pid for process in struck)))

    async def _kill(self, strike: Strike) -> None:
        """Kill; when there is nobody to be killed, another time.

        :raises TimeoutError: there never is.
        """
        async with asyncio.timeout(_KILLED_WITHIN):
            while not (killed := await self._killed(strike)):  # noqa: ASYNC110 - another process's doing
                await asyncio.sleep(_ANOTHER_TIME)
        self._note(strike, *killed)

    async def _killed(self, strike: Strike) -> list[psutil.Process]:
        """Those that were killed: all of the victims, or nothing is told."""
        victims = await self._victims(strike)
        return victims if all(_sent(victim, signal.SIGKILL) for victim in victims) else []

    async def _victims(self, strike: Strike) -> list[psutil.Process]:
        if strike.kind != Victim.RELAY_HOLDER:
            return [await self._alive(name) for name in strike.names]
        holder = await asyncio.to_thread(self._relay_holder, strike.names[0])
        return [holder] if holder else []

    async def _alive(self, name: str) -> psutil.Process:
        """The process as soon as it runs; it may be starting again after an earlier strike.

        :raises TimeoutError: it does not come back.
        """
        async with asyncio.timeout(_COMES_BACK_WITHIN):
            while (process := self.system.processes[name].process()) is None:  # noqa: ASYNC110 - the supervisor's doing
                await asyncio.sleep(_POLL)
        return process

    def _relay_holder(self, service: str) -> psutil.Process | None:
        """The process that holds the relay lock of a service's database, if one does now."""
        url = Plan(self.system.state, self.system.ports).cluster.url(service)
        try:
            with psycopg.connect(url, autocommit=True, connect_timeout=2) as connection:
                found = connection.execute(_HOLDER, [LOCK]).fetchone()
        except psycopg.OperationalError:
            return None
        return _owner(self.system, found[0]) if found else None

    async def _pause(self, strike: Strike) -> None:
        members = _family(await self._alive(strike.names[0]))
        family = [member for member in members if _sent(member, signal.SIGSTOP)]
        self._paused |= set(family)
        if family:
            self._note(strike, *family)
        await asyncio.sleep(strike.seconds)
        _resume(family)
        self._paused -= set(family)

    async def _roll(self, strike: Strike) -> None:
        """End services in good order, one after another, each when the one before has come back."""
        for name in strike.names:
            process = await self._alive(name)
            if _sent(process, signal.SIGTERM):
                self._note(strike, process)
            await health.becomes_true(partial(self._is_back, name, process), within=_COMES_BACK_WITHIN)

    async def _is_back(self, name: str, gone: psutil.Process) -> bool:
        now = self.system.processes[name]
        return now.pid != gone.pid and await health.answers(now.probe)

    async def _trouble(self, strike: Strike) -> None:
        path, method = _ROADS[strike.deed]
        if await self._provider(method, path, strike.fault):
            self._note(strike)
            await asyncio.sleep(strike.seconds)
            await self._provider("DELETE", path)

    async def _provider(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> bool:
        """Tell the stand-in something; one that is away just now forgets what it was told."""
        url = f"http://{LOOPBACK}:{self.system.ports.stripe}/_stand-in{path}"
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT) as session,
                session.request(method, url, json=body) as answer,
            ):
                return answer.ok
        except (aiohttp.ClientError, TimeoutError):
            return False


def _family(process: psutil.Process) -> list[psutil.Process]:
    """A process and those that it has started, such as PostgreSQL's."""
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return [process]


def _sent(process: psutil.Process, signal_number: signal.Signals) -> bool:
    """Send a signal; whether the process was there to get it."""
    try:
        process.send_signal(signal_number)
    except psutil.NoSuchProcess:
        return False
    return True


def _resume(processes: Iterable[psutil.Process]) -> None:
    for process in processes:
        _sent(process, signal.SIGCONT)


def _owner(system: System, port: int) -> psutil.Process | None:
    """The process whose end of a connection to PostgreSQL is this port; to elsewhere others may have the same."""
    for running in system.processes.values():
        process = running.process()
        with contextlib.suppress(psutil.Error):
            if process and (port, system.ports.postgres) in _connections(process):
                return process
    return None


def _connections(process: psutil.Process) -> set[tuple[int, int]]:
    """The ports of both ends of each, its own first."""
    return {(one.laddr.port, one.raddr.port) for one in process.net_connections("tcp") if one.raddr}
