"""The workshop: a copy of the source where edits are planted, and the one system that runs from it."""

import importlib.util
import os
import shutil
import signal
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Self

import aiohttp

from services.local import health
from services.local.customer.narration import eventually
from services.local.proofs.defects.edit import Edit, edited
from services.local.system import System
from services.local.topology import ROOT

SOURCE = ("services", "components", "dapr", "pyproject.toml")
"""What a system is run from."""

_COME_BACK = 60.0


@dataclass(kw_only=True)
class Workshop:
    """The copy, its system, and the edits that are in it now."""

    root: Path
    system: System
    _worn: tuple[Edit, ...] = ()
    _whole: dict[Path, str] = field(default_factory=dict)

    @classmethod
    @contextmanager
    def opened(cls) -> Iterator[Self]:
        """Copy the source and start a system from the copy; both are gone when the block ends."""
        with tempfile.TemporaryDirectory(prefix="sidecart-copy-") as folder:
            root = Path(folder)
            copy_source(root)
            with System.start(env=environment(root)) as system:
                yield cls(root=root, system=system)

    async def wear(self, edits: tuple[Edit, ...]) -> None:
        """Let exactly these edits be in the copy, and start whatever runs the code that they change again.

        :raises EditMisplaced: an edit does not fit its file.
        """
        changing = {service for edit in {*self._worn} ^ {*edits} for service in edit.services}
        self._take_off()
        for path, text in edited(self.root, edits).items():
            self._whole[path] = path.read_text()
            _write(path, text)
        self._worn = edits
        await self._restart(changing)

    def _take_off(self) -> None:
        for path, text in self._whole.items():
            _write(path, text)
        self._whole.clear()

    async def _restart(self, services: Iterable[str]) -> None:
        ended = {service: self.system.processes[service].pid for service in services}
        for pid in ended.values():
            os.kill(pid, signal.SIGKILL)

        async def back() -> bool:
            now = self.system.processes
            started = all(now[service].pid != pid for service, pid in ended.items())
            return (
                started and all([await health.answers(now[service].probe) for service in ended]) and await self._ready()
            )

        if ended:
            await eventually(back, bool, what=f"{', '.join(ended)} coming back", within=_COME_BACK)

    async def _ready(self) -> bool:
        timeout = aiohttp.ClientTimeout(total=5)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(f"{self.system.base_url}/readyz") as answer,
            ):
                return answer.status == HTTPStatus.OK
        except (aiohttp.ClientError, TimeoutError):
            return False


def copy_source(root: Path) -> None:
    """Copy what a system is run from; nothing that was compiled before comes along."""
    for name in SOURCE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, root / name)


def environment(root: Path) -> dict[str, str]:
    """What makes a system run from the copy, wherever it is started, and keeps what it measures of itself there."""
    return {
        "PYTHONPATH": str(root),
        "PYTHONSAFEPATH": "1",
        "COVERAGE_FILE": str(root / "coverage"),
        "SIDECART_RATE_LIMIT_FACTOR": "1000",
    }


def _write(path: Path, text: str) -> None:
    """Write a module; what was compiled of it counts no more, even when time and size are the same."""
    path.write_text(text)
    Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)
