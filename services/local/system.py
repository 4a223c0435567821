"""A system in processes of its own: what `up --detach`, the system tests and `bench` start, look at and stop."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from services.local import console, ports, postgres, processes, redis, seeding, topology
from services.local.plan import Plan, unmoved_ports
from services.local.refusals import Refusal, StartFailed
from services.local.state import Phase, Record, Running, State
from services.local.topology import LOOPBACK, ROOT, Ports

_POLL = 0.05
_STOP_LIMIT = 90.0
_KEPT = "kept"


@dataclass(frozen=True, slots=True)
class System:
    """A running system."""

    state: State
    offset: int
    detour: bool = False

    @classmethod
    def of(cls, state: State, record: Record) -> Self:
        """The system that a record tells of."""
        return cls(state, record.offset, record.detour)

    @classmethod
    @contextlib.contextmanager
    def start(
        cls,
        *,
        seed: bool = False,
        env: Mapping[str, str] | None = None,
        disk: Path | None = None,
        detour: bool = False,
    ) -> Iterator[Self]:
        """A fresh system on free ports, with its state in a temporary folder; it is gone when the block ends.

        :param seed: fill it with the demo catalogue.
        :param env: settings for the services, by the names of environment variables.
        :param disk: an empty folder that every user can enter, where the stores keep their data instead; root's only.
        :param detour: let services and sidecars reach their stores through toxiproxy.
        """
        folder = Path(tempfile.mkdtemp(prefix="sidecart-"))
        offset = ports.free_offset(unmoved_ports(topology.load(), detour=detour))
        system = cls(State(folder), offset, detour)
        if disk is not None:
            system.state.create()
            redis.put_elsewhere(system.state.data, disk)
            postgres.put_elsewhere(system.state.data, disk / "postgres")
        supervisor = system.launch(env=env or {}, bound=True, flags=("--detour",) if detour else ())
        try:
            system.wait_healthy(supervisor)
            if seed:
                asyncio.run(seeding.seed_if_empty(system.base_url, system.secrets, console.Steps(console.err)))
            yield system
        finally:
            supervisor.terminate()
            supervisor.wait(_STOP_LIMIT)
            if not system.is_kept:
                Plan(system.state, system.ports).cluster.remove()
                shutil.rmtree(folder)

    def keep(self) -> None:
        """Leave the logs and the databases of a system of `start` where they are, for whoever looks for a cause."""
        (self.state.root / _KEPT).touch()

    @property
    def is_kept(self) -> bool:
        """Whether somebody wants to look at it when it has stopped."""
        return (self.state.root / _KEPT).exists()

    @property
    def ports(self) -> Ports:
        """Where it listens."""
        return Ports(offset=self.offset, detour=self.detour)

    @property
    def base_url(self) -> str:
        """The gateway."""
        return f"http://{LOOPBACK}:{self.ports.public}"

    @property
    def state_dir(self) -> Path:
        """Its state folder."""
        return self.state.root

    @property
    def secrets(self) -> dict[str, str]:
        """Its secrets."""
        values: dict[str, str] = json.loads(self.state.secrets.read_text())
        return values

    @property
    def processes(self) -> dict[str, Running]:
        """Its processes as they are now, by name."""
        record = self.state.read()
        return {process.name: process for process in record.processes} if record else {}

    def launch(self, *, env: Mapping[str, str], bound: bool, flags: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
        """Start the supervisor in the background, its output in a log.

        :param bound: whether it ends when this process ends.
        """
        self.state.create()
        self.state.record_file.unlink(missing_ok=True)
        log = self.state.log("supervisor")
        processes.rotate(log)
        with log.open("ab") as output:
            return subprocess.Popen(  # noqa: S603 - the arguments are our own
                (sys.executable, "-m", "services.local", "supervise", str(self.state.root), str(self.offset), *flags),
                cwd=ROOT,
                env={**os.environ, **env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=processes.dies_with_parent(signal.SIGTERM) if bound else None,  # noqa: PLW1509 - one system call
            )

    def wait_healthy(self, supervisor: subprocess.Popen[bytes], report: Callable[[str], None] | None = None) -> Record:
        """Wait until everything is healthy, telling `report` each step.

        :raises StartFailed: it is not going to be.
        """
        told = ""
        while supervisor.poll() is None:
            record = self.state.read()
            if record and report and record.message != told and record.phase is not Phase.FAILED:
                told = record.message
                report(told)
            if record and record.phase is Phase.HEALTHY:
                return record
            time.sleep(_POLL)
        raise self._failure()

    def stop(self) -> bool:
        """Stop the system that runs in the state folder; tells whether one did.

        :raises Refusal: it does not end.
        """
        record = self.state.running()
        if record is None:
            return False
        os.kill(record.supervisor, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_LIMIT
        while record.is_running:
            if time.monotonic() > deadline:
                raise Refusal(
                    f"The supervisor (pid {record.supervisor}) does not end; see {self.state.log('supervisor')}."
                )
            time.sleep(_POLL)
        return True

    def _failure(self) -> StartFailed:
        record = self.state.read()
        if record and record.phase is Phase.FAILED:
            return StartFailed(record.message)
        log = self.state.log("supervisor")
        return StartFailed(f"The supervisor ended. The end of {log}:\n{processes.tail(log)}")
