"""The customers' process, as whoever runs the experiment sees it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import IO, cast

from services.local.chaos.load import Task
from services.local.refusals import Refusal
from services.local.topology import ROOT


class CustomersGone(Refusal):
    """The process of the customers has ended before its time."""


@dataclass(frozen=True)
class Customers:
    """Customers that have their task."""

    process: subprocess.Popen[str]

    def ready(self) -> float:
        """Wait until everything is prepared; the answer is the journeys a second that are going to begin.

        :raises CustomersGone: they could not prepare.
        """
        line = cast("IO[str]", self.process.stdout).readline()
        if not line:
            raise self._gone()
        return float(json.loads(line)["rate"])

    def begin(self) -> None:
        """Let them come."""
        self._say("begin")

    def end(self, *, within: float) -> None:
        """Let nobody else come, and wait until the last has what they wanted or has given up.

        :raises CustomersGone: their process broke, or they never end.
        """
        self._say("end")
        try:
            code = self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise CustomersGone(f"The customers have not ended within {within:.0f} s.") from None
        if code:
            raise self._gone()

    def _say(self, word: str) -> None:
        told = cast("IO[str]", self.process.stdin)
        try:
            told.write(f"{word}\n")
            told.flush()
        except BrokenPipeError:
            raise self._gone() from None

    @staticmethod
    def _gone() -> CustomersGone:
        return CustomersGone("The process of the customers has ended before its time; what it says is above.")


@contextmanager
def started(task: Task) -> Iterator[Customers]:
    """A process that prepares for the task; it is gone when the block ends."""
    process = subprocess.Popen(
        (sys.executable, "-m", "services.local.chaos.load"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    told = cast("IO[str]", process.stdin)
    with process:
        try:
            told.write(json.dumps(asdict(task)) + "\n")
            told.flush()
            yield Customers(process)
        finally:
            process.kill()
            with suppress(BrokenPipeError):  # what was said to one that had ended already
                told.close()
