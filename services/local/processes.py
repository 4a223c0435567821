"""One process of the system: what it is, how it is started so that it cannot outlive its parent, how it is stopped."""

import asyncio
import ctypes
import os
import shutil
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from services.local.state import Kind, Running, birth
from services.local.topology import ROOT

LOG_LIMIT = 20 * 1024 * 1024
"""Bytes after which a log is moved aside; one older part is kept."""

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """The unprivileged user that a process runs as."""

    uid: int
    gid: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Spec:
    """How to run one process.

    `probe` says when it is healthy, `ports` what it will listen on, `stop_signal` what makes it end in good order and
    `grace` how many seconds that may take; `last_signal` is what the kernel sends when the supervisor itself dies.
    """

    name: str
    kind: Kind
    command: tuple[str, ...]
    url: str
    probe: str
    ports: tuple[int, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path = ROOT
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    last_signal: signal.Signals = signal.SIGKILL
    grace: float = 15.0


async def spawn(spec: Spec, log: Path) -> asyncio.subprocess.Process:
    """Start the process, its output appended to the log."""
    with log.open("ab") as output:
        return await asyncio.create_subprocess_exec(
            *spec.command,
            cwd=spec.cwd,
            env={**os.environ, **spec.env},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            process_group=0,
            user=spec.account.uid if spec.account else None,
            group=spec.account.gid if spec.account else None,
            extra_groups=[] if spec.account else None,
            preexec_fn=dies_with_parent(spec.last_signal),
        )


def dies_with_parent(last_signal: signal.Signals) -> Callable[[], object]:
    """What a child calls before it becomes its program, so that the kernel ends it when its parent ends."""
    return lambda: _libc.prctl(_PR_SET_PDEATHSIG, int(last_signal))


async def stop(process: asyncio.subprocess.Process, spec: Spec) -> None:
    """End the process in good order, by force once its grace is over, and wait until it is gone."""
    if process.returncode is not None:
        return
    process.send_signal(spec.stop_signal)
    try:
        async with asyncio.timeout(spec.grace):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def running(spec: Spec, pid: int) -> Running:
    """The record of a process that was started just now, and may have ended already."""
    try:
        started = birth(pid)
    except OSError:
        started = ""
    return Running(name=spec.name, kind=spec.kind, pid=pid, started=started, url=spec.url, probe=spec.probe)


def end_leftover(left: Running) -> None:
    """Kill a process that an earlier supervisor left behind, if it is still that process."""
    process = left.process()
    if process is not None:
        process.kill()
        process.wait(timeout=10)


def rotate(log: Path) -> None:
    """Move a log that has grown too long aside. Writers append, so emptying the file under them is safe."""
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        shutil.copyfile(log, log.with_suffix(".log.1"))
        os.truncate(log, 0)


def tail(log: Path, lines: int = 20) -> str:
    """The last lines of a log."""
    if not log.exists():
        return "(no log)"
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
