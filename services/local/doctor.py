"""What this machine lacks to run the system, and how to get it."""

import platform
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import psutil
from rich.console import Console

from services.local import plan, ports, postgres_wheel, redis, runtime, topology
from services.local.refusals import Refusal
from services.local.state import State

_GIB = 1024**3


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `remedy` is empty when it is in order."""

    what: str
    found: str
    remedy: str = ""


def examine(console: Console, looks: Iterable[Callable[[], Finding]] | None = None) -> bool:
    """Print every finding; tells whether all is in order."""
    findings = [look() for look in looks or LOOKS]
    for finding in findings:
        mark = "[red]✗[/]" if finding.remedy else "[green]✓[/]"
        console.print(f" {mark} {finding.what:12} {finding.found}", soft_wrap=True)
        if finding.remedy:
            console.print(f"   [yellow]{finding.remedy}[/]", soft_wrap=True)
    return not any(finding.remedy for finding in findings)


def dapr(missing: list[str], compiler: str | None) -> Finding:
    """The runtime: installed, or to be built, or neither."""
    if not missing:
        return Finding("Dapr", "installed")
    if compiler:
        return Finding("Dapr", f"{' and '.join(missing)} will be built by {compiler} at the first start")
    return Finding("Dapr", "not found, and no Go to build it", f"Install Dapr {runtime.VERSION} or Go 1.26 or newer.")


def found(what: str, look: Callable[[], object]) -> Finding:
    """Something that is installed with the environment."""
    try:
        return Finding(what, str(look()))
    except Refusal as refusal:
        return Finding(what, "not found", str(refusal))


def room(what: str, *, free: int, wanted: int) -> Finding:
    """Bytes that are free, and whether they will do."""
    remedy = "" if free >= wanted else f"The system wants {wanted / _GIB:.0f} GiB; make room."
    return Finding(what, f"{free / _GIB:.1f} GiB free", remedy)


def ports_of(*, running: bool, taken: list[int]) -> Finding:
    """The usual ports: free, used by this very system, or held by somebody else."""
    if running:
        return Finding("Ports", "in use by this system, which runs")
    if not taken:
        return Finding("Ports", "all free")
    holders = ", ".join(f"{port} by {ports.holder(port)}" for port in taken)
    return Finding("Ports", f"taken: {holders}", "Stop what holds them, or use ./sidecart up --port 18080.")


def _python() -> Finding:
    return Finding("Python", f"{platform.python_version()} at {sys.executable}")


def _dapr() -> Finding:
    return dapr([program for program in ("daprd", "sentry") if runtime.find(program) is None], runtime.go())


def _usual_ports() -> Finding:
    taken = [port for port in plan.unmoved_ports(topology.load()) if not ports.is_free(port)]
    return ports_of(running=State().running() is not None, taken=taken)


LOOKS: tuple[Callable[[], Finding], ...] = (
    _python,
    _dapr,
    lambda: found("PostgreSQL", postgres_wheel.installed),
    lambda: found("Redis", redis.program),
    lambda: room("Memory", free=psutil.virtual_memory().available, wanted=3 * _GIB),
    lambda: room("Disk", free=shutil.disk_usage(topology.ROOT).free, wanted=4 * _GIB),
    _usual_ports,
)
"""What `doctor` looks at, in this order."""
