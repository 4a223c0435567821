"""Finding the Dapr runtime, `daprd` and `sentry`, or building it once per user and version."""

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import time
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from services.local.refusals import MissingTool, Refusal
from services.local.topology import ROOT

VERSION = "1.18.1"
"""The version that is built; any 1.18 that is installed will do."""

USUAL_GO = Path("/usr/local/go/bin/go")
"""Where Go's own installer puts it."""

SAY_EVERY = 15.0
"""Seconds between two signs of life of a build."""

LOCK_EVERY = 0.25
"""Seconds between two looks whether another's build is over."""

MODULE = ROOT / "dapr" / "runtime"

_PACKAGES = {"daprd": "./daprd", "sentry": "github.com/dapr/dapr/cmd/sentry"}
_LINK = f"-s -w -X github.com/dapr/dapr/pkg/buildinfo.version={VERSION}"

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Runtime:
    """The two programs."""

    daprd: Path
    sentry: Path


def cache() -> Path:
    """The per-user cache, shared by every checkout."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sidecart"


async def ensure(progress: Progress) -> Runtime:
    """The runtime, built when it is not installed.

    :raises MissingTool: it has to be built and there is no Go.
    :raises Refusal: the build failed.
    """
    return Runtime(daprd=await _ensure("daprd", progress), sentry=await _ensure("sentry", progress))


def find(program: str) -> Path | None:
    """An installed program of a version that fits: on PATH, in `~/.dapr/bin`, or built before."""
    on_path = shutil.which(program)
    candidates = (Path(on_path) if on_path else None, Path.home() / ".dapr" / "bin" / program)
    for candidate in candidates:
        if candidate is not None and candidate.exists() and _fits(candidate):
            return candidate
    built = _built(program)
    return built if built.exists() else None


def go() -> str | None:
    """The Go tool, if there is one."""
    return shutil.which("go") or (str(USUAL_GO) if USUAL_GO.exists() else None)


async def _ensure(program: str, progress: Progress) -> Path:
    return find(program) or await _build(program, progress)


def _fits(program: Path) -> bool:
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    return answer.stdout.strip().startswith(VERSION.rpartition(".")[0] + ".")


def _built(program: str) -> Path:
    return cache() / f"dapr-{VERSION}" / program


async def _build(program: str, progress: Progress) -> Path:
    compiler = go()
    if compiler is None:
        message = f"Dapr is not installed and there is no Go to build it. Install Dapr {VERSION} or Go 1.26 or newer."
        raise MissingTool(message)
    arguments = ("-tags", "stablecomponents", "-ldflags", _LINK, _PACKAGES[program])
    return await build(_built(program), *arguments, module=MODULE, compiler=compiler, progress=progress)


async def build(target: Path, *arguments: str, module: Path, compiler: str, progress: Progress) -> Path:
    """A Go program in the per-user cache, built unless it is there. Cancelling it ends the build.

    :param arguments: what `go build` is told; the last one is the package.
    :param module: the folder whose `go.mod` pins every version.
    :raises Refusal: the build failed.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    async with _alone(target.parent):
        if not target.exists():  # noqa: ASYNC240 - one look
            progress(f"building {target.name} ({target.parent.name}) from source, once per user (several minutes)")
            await _compile(target, compiler, arguments, module=module, progress=progress)
    return target


@contextlib.asynccontextmanager
async def _alone(folder: Path) -> AsyncIterator[None]:
    """Hold the folder; whoever else builds there just now is waited for."""
    with (folder / ".lock").open("w") as lock:
        while not _is_locked(lock.fileno()):  # noqa: ASYNC110 - the lock is another process's
            await asyncio.sleep(LOCK_EVERY)
        yield


def _is_locked(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _compile(
    target: Path, compiler: str, arguments: tuple[str, ...], *, module: Path, progress: Progress
) -> None:
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    command = (compiler, "build", "-o", str(draft), *arguments)
    running = await asyncio.create_subprocess_exec(*command, cwd=module, stderr=PIPE, process_group=0)
    talking = asyncio.create_task(_talk(target.name, progress))
    try:
        _, complaint = await running.communicate()
    except asyncio.CancelledError:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        await running.wait()
        draft.unlink(missing_ok=True)
        raise
    finally:
        talking.cancel()
    if running.returncode:
        raise Refusal(f"Building {target.name} failed:\n{complaint.decode(errors='replace').strip()[-2000:]}")
    draft.replace(target)


async def _talk(name: str, progress: Progress) -> None:
    """Say now and then that the build goes on."""
    began = time.monotonic()
    while True:
        await asyncio.sleep(SAY_EVERY)
        progress(f"still building {name} ({time.monotonic() - began:.0f} s)")
