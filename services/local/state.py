"""The state folder of one system: its record of what runs, its secrets, logs and data, and the lock on all of it."""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Self

import psutil

from services.local.credentials import write_private
from services.local.refusals import AlreadyRunning
from services.local.topology import ROOT, Ports

ELSEWHERE = "SIDECART_STATE"
"""The environment variable that names another state folder than `.sidecart`."""

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def chosen_folder() -> Path:
    """The state folder of the commands: `.sidecart` in the checkout unless the environment names another."""
    return Path(os.environ.get(ELSEWHERE) or ROOT / ".sidecart").absolute()


class Kind(StrEnum):
    """What a process is to the system."""

    SERVICE = "service"
    SIDECAR = "sidecar"
    STORE = "store"
    CONTROL = "control"
    STAND_IN = "stand-in"


class Phase(StrEnum):
    """How far the whole system is."""

    STARTING = "starting"
    HEALTHY = "healthy"
    FAILED = "failed"
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(frozen=True, kw_only=True, slots=True)
class Running:
    """A process by its id and its birth, so that a reused id is never mistaken for it."""

    name: str
    kind: Kind
    pid: int
    started: str
    url: str
    probe: str

    def process(self) -> psutil.Process | None:
        """The live process, or nothing when it has ended."""
        return alive(self.pid, self.started)


@dataclass(frozen=True, kw_only=True, slots=True)
class Record:
    """What the supervisor last wrote about itself and its processes."""

    supervisor: int
    started: str
    offset: int
    phase: Phase
    message: str = ""
    processes: tuple[Running, ...] = field(default=())
    detour: bool = False

    @classmethod
    def parsed(cls, text: str) -> Self:
        """A record from its JSON form."""
        raw: dict[str, Any] = json.loads(text)
        processes = tuple(Running(**entry | {"kind": Kind(entry["kind"])}) for entry in raw.pop("processes"))
        return cls(**raw | {"phase": Phase(raw["phase"]), "processes": processes})

    def json(self) -> str:
        """The record as JSON."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @property
    def ports(self) -> Ports:
        """Where the system listens."""
        return Ports(offset=self.offset, detour=self.detour)

    @property
    def is_running(self) -> bool:
        """Whether the supervisor that wrote this still lives."""
        return alive(self.supervisor, self.started) is not None


def birth(pid: int) -> str:
    """The boot and the tick of it at which a process was started: no clock that is set changes them (`man 5 proc`).

    :raises OSError: there is no such process.
    """
    ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return f"{_BOOT_ID.read_text().strip()}/{ticks}"


def alive(pid: int, started: str) -> psutil.Process | None:
    """The process with this id, if it is the one that was born then and has not ended."""
    try:
        process = psutil.Process(pid)
        same = birth(pid) == started and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):
        return None
    return process if same else None


@dataclass(frozen=True, slots=True)
class State:
    """The folder."""

    root: Path = field(default_factory=chosen_folder)

    def create(self) -> None:
        """Make the folder and its parts, closed to other users."""
        for folder in (self.root, self.logs, self.data, self.dapr):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.root.chmod(0o700)

    @property
    def logs(self) -> Path:
        """One log for each process."""
        return self.root / "logs"

    @property
    def data(self) -> Path:
        """The stores' and stand-ins' files."""
        return self.root / "data"

    @property
    def dapr(self) -> Path:
        """Sentry's keys and the generated configuration."""
        return self.root / "dapr"

    @property
    def secrets(self) -> Path:
        """The secrets file."""
        return self.root / "secrets.json"

    @property
    def record_file(self) -> Path:
        """Where the record is."""
        return self.root / "system.json"

    def log(self, name: str) -> Path:
        """The log of the process with this name."""
        return self.logs / f"{name}.log"

    def write(self, record: Record) -> None:
        """Replace the record in one step."""
        write_private(self.record_file, record.json())

    def read(self) -> Record | None:
        """The last record, whether or not its supervisor still lives."""
        try:
            return Record.parsed(self.record_file.read_text())
        except FileNotFoundError:
            return None

    def running(self) -> Record | None:
        """The record of a supervisor that lives."""
        record = self.read()
        return record if record is not None and record.is_running else None

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Hold this folder for one supervisor.

        :raises AlreadyRunning: another one holds it.
        """
        self.create()
        with (self.root / "lock").open("w") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                message = "This checkout already runs. `./sidecart status` shows it, `./sidecart down` stops it."
                raise AlreadyRunning(message) from None
            yield

    def clear(self) -> None:
        """Forget everything but the lock: data, secrets, logs and the record."""
        for entry in self.root.iterdir():
            if entry.name == "lock":
                continue
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        self.create()
