"""Showing what processes have written: the last lines of their logs, and more as they come."""

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from services.local.console import out
from services.local.processes import tail
from services.local.refusals import Refusal
from services.local.state import State

_POLL = 0.2


def show(state: State, names: Iterable[str], *, lines: int, follow: bool) -> None:
    """Print the end of the logs, and go on until Ctrl-C when asked to.

    :raises Refusal: there is no log of that name.
    """
    logs = chosen(state, tuple(names))
    ends = {log: log.stat().st_size for log in logs}
    for log in logs:
        for line in tail(log, lines).splitlines():
            _print(log, line, alone=len(logs) == 1)
    if follow:
        for log, line in followed(ends):
            _print(log, line, alone=len(logs) == 1)


def chosen(state: State, names: tuple[str, ...]) -> tuple[Path, ...]:
    """The logs of these processes; of all when none is named.

    :raises Refusal: there is no log of that name.
    """
    known = {path.stem: path for path in sorted(state.logs.glob("*.log"))}
    unknown = [name for name in names if name not in known]
    if unknown or not known:
        raise Refusal(
            f"There is no log of {', '.join(unknown) or 'anything'}. There are: {', '.join(known) or 'none'}."
        )
    return tuple(known[name] for name in names or known)


def new_lines(log: Path, start: int) -> tuple[int, list[str]]:
    """The whole lines written since `start`, and where the next begins. A log that shrank is read anew."""
    start = start if log.stat().st_size >= start else 0
    with log.open("rb") as handle:
        handle.seek(start)
        whole, _, _ = handle.read().rpartition(b"\n")
    lines = whole.decode(errors="replace").splitlines()
    return start + (len(whole) + 1 if whole else 0), lines


def followed(ends: dict[Path, int]) -> Iterator[tuple[Path, str]]:
    """The lines that are written after these ends, for ever."""
    while True:
        for log, end in ends.items():
            ends[log], lines = new_lines(log, end)
            yield from ((log, line) for line in lines)
        time.sleep(_POLL)


def _print(log: Path, line: str, *, alone: bool) -> None:
    out.print(line if alone else f"{log.stem:22} {line}", markup=False, soft_wrap=True)
