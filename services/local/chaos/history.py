"""What clients asked and were told, one JSON object a line, in the form of Jepsen's histories.

An operation is invoked and then is `ok` (it happened), `fail` (it did not) or `info` (nobody knows: a time-out, a
reset, a server error). https://github.com/jepsen-io/jepsen/blob/main/doc/tutorial/02-client.md
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any, Self
from uuid import uuid4

Json = dict[str, Any]


class Outcome(StrEnum):
    """How an operation ended, as far as its client knows."""

    OK = "ok"
    FAIL = "fail"
    INFO = "info"


INVOKE = "invoke"


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One request that is on its way."""

    history: "History"
    id: str
    process: str
    function: str
    value: Json

    def ends(self, outcome: Outcome, **told: object) -> None:
        """Write how it ended, and what the client was told."""
        self.history.write(outcome, self, self.value | told)


@dataclass(frozen=True)
class History:
    """Where clients write what they ask and are told; every line is on its way to the file at once."""

    stream: IO[str]
    clock: Callable[[], float] = time.time

    def invoke(self, process: str, function: str, value: Json) -> Operation:
        """Write that a client asks."""
        operation = Operation(history=self, id=str(uuid4()), process=process, function=function, value=value)
        self.write(INVOKE, operation, value)
        return operation

    def write(self, kind: str, operation: Operation, value: Json) -> None:
        """Write one line."""
        entry = {
            "time": self.clock(),
            "process": operation.process,
            "type": kind,
            "f": operation.function,
            "id": operation.id,
            "value": value,
        }
        self.stream.write(json.dumps(entry) + "\n")
        self.stream.flush()


@dataclass(kw_only=True)
class Attempt:
    """An operation with both its ends; one that never ended is as unknown as an `info`."""

    id: str
    process: str
    function: str
    began: float
    value: Json
    ended: float | None = None
    outcome: Outcome = Outcome.INFO
    told: Json = field(default_factory=dict)

    @classmethod
    def of(cls, entry: Json) -> Self:
        """The operation that an `invoke` begins."""
        return cls(
            id=entry["id"], process=entry["process"], function=entry["f"], began=entry["time"], value=entry["value"]
        )

    @property
    def took(self) -> float | None:
        """How long it took; nothing when it never ended."""
        return None if self.ended is None else self.ended - self.began

    @property
    def is_answered(self) -> bool:
        """Whether the shop gave a proper answer; a refusal that the business demands is one."""
        if self.outcome is Outcome.INFO:
            return self.told.get("error") == "request-in-progress"
        return self.told.get("status") != HTTPStatus.TOO_MANY_REQUESTS


def attempts(lines: Iterable[str | bytes], known: dict[str, Attempt] | None = None) -> list[Attempt]:
    """The operations of a history in the order in which they began.

    :param known: those of the lines before these, by their ids; it grows.
    """
    known = {} if known is None else known
    for line in lines:
        entry = json.loads(line)
        if entry["type"] == INVOKE:
            known[entry["id"]] = Attempt.of(entry)
        else:
            attempt = known[entry["id"]]
            attempt.ended, attempt.outcome, attempt.told = entry["time"], Outcome(entry["type"]), entry["value"]
    return list(known.values())


@dataclass
class Following:
    """A history's file that may still be written: every look reads on from where the one before ended."""

    path: Path
    _offset: int = 0
    _known: dict[str, Attempt] = field(default_factory=dict)

    def attempts(self) -> list[Attempt]:
        """The operations so far, in the order in which they began."""
        return attempts(self._new(), self._known)

    def _new(self) -> Iterator[bytes]:
        """The new lines; half a line at the end is left for the next look."""
        with self.path.open("rb") as lines:
            lines.seek(self._offset)
            for line in lines:
                if line.endswith(b"\n"):
                    self._offset += len(line)
                    yield line


def read(path: Path) -> list[Attempt]:
    """The operations of a history's file. A last line that was cut off belongs to a client that was killed."""
    return Following(path).attempts()
