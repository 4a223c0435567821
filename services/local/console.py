"""What the command line prints: steps with their time, and tables of what runs where."""

import asyncio
import time
from collections.abc import Iterable
from typing import TypedDict

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.local import health
from services.local.state import Phase, Record, Running
from services.local.topology import LOOPBACK, Ports

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

_COLOURS = {"healthy": "green", "starting": "yellow", "unhealthy": "red", "down": "red"}


class Row(TypedDict):
    """One process as `status --json` prints it."""

    name: str
    kind: str
    pid: int
    url: str
    health: str


def complain(message: str) -> None:
    """Print what went wrong."""
    err.print(message, style="red", markup=False, soft_wrap=True)


class Steps:
    """Lines that say what is being done and how long it took."""

    def __init__(self, console: Console = out) -> None:
        self._console = console
        self._began = time.monotonic()

    def __call__(self, message: str) -> None:
        """Print one step with the seconds since the first."""
        self._console.print(f"[dim]{time.monotonic() - self._began:6.1f} s[/]  {escape(message)}", soft_wrap=True)


async def rows(record: Record) -> list[Row]:
    """Every process with its health, measured now."""
    states = await asyncio.gather(*(_health(process, record.phase) for process in record.processes))
    return [
        Row(name=process.name, kind=process.kind.value, pid=process.pid, url=process.url, health=state)
        for process, state in zip(record.processes, states, strict=True)
    ]


def table(lines: Iterable[Row]) -> Table:
    """The processes as a table."""
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("name", "kind", "pid", "url", "health"):
        drawn.add_column(column, justify="right" if column == "pid" else "left")
    for line in lines:
        colour = _COLOURS[line["health"]]
        drawn.add_row(line["name"], line["kind"], str(line["pid"]), line["url"], f"[{colour}]{line['health']}[/]")
    return drawn


def next_steps(ports: Ports) -> str:
    """What to try on a running system."""
    base = f"http://{LOOPBACK}:{ports.public}"
    return (
        f"\n  API      {base}/api/v1      documented at {base}/docs"
        f"\n  Mail     http://{LOOPBACK}:{ports.mailbox}"
        "\n  Try      ./sidecart demo     ./sidecart status     ./sidecart logs order -f     ./sidecart down\n"
    )


async def _health(process: Running, phase: Phase) -> str:
    if process.process() is None:
        return "down"
    if await health.answers(process.probe):
        return "healthy"
    return "starting" if phase is Phase.STARTING else "unhealthy"
