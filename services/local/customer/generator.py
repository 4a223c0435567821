"""The load generator's process, as whoever measures sees it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from threading import Timer
from typing import IO, cast

from services.local.customer.load import Measured, Task
from services.local.refusals import Refusal
from services.local.topology import ROOT

_OVERTIME = 120.0
"""Seconds that it may take beside what it measures; then it is ended."""


class LoadBroken(Refusal):
    """The load generator has ended without an answer."""


@dataclass(frozen=True)
class Generator:
    """A load generator that has its task."""

    told: IO[str]
    heard: IO[str]

    def get_ready(self) -> None:
        """Wait until it has prepared everything.

        :raises LoadBroken: it could not
        """
        self._hear()

    def measure(self) -> Measured:
        """Give the word, and wait for what was measured.

        :raises LoadBroken: it has ended without it
        """
        self.told.write("go\n")
        self.told.flush()
        return Measured(**json.loads(self._hear()))

    def _hear(self) -> str:
        line = self.heard.readline()
        if not line:
            raise LoadBroken("The load generator has ended without an answer; what it says is above.")
        return line


@contextmanager
def started(task: Task) -> Iterator[Generator]:
    """A process that gets ready for the task; it is gone when the block ends."""
    process = subprocess.Popen(
        (sys.executable, "-m", "services.local.customer.load"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    limit = Timer(task.seconds + _OVERTIME, process.kill)
    limit.start()
    with process:
        try:
            yield _given(process, task)
        finally:
            limit.cancel()
            process.kill()


def _given(process: subprocess.Popen[str], task: Task) -> Generator:
    generator = Generator(cast("IO[str]", process.stdin), cast("IO[str]", process.stdout))
    generator.told.write(json.dumps(asdict(task)) + "\n")
    generator.told.flush()
    return generator
