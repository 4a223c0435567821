"""What the processes of a system cost, read from /proc."""

from collections.abc import Iterable
from pathlib import Path

import psutil

from services.local.state import Record

_KIB = 1024


def processes(record: Record) -> list[psutil.Process]:
    """Every process of the system: the supervisor's, those it names, and all that they have started."""
    roots = [record.supervisor, *(process.pid for process in record.processes)]
    found = {one.pid: one for pid in roots for one in _family(pid)}
    return list(found.values())


def _family(pid: int) -> Iterable[psutil.Process]:
    try:
        head = psutil.Process(pid)
        return [head, *head.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def cpu_seconds(members: Iterable[psutil.Process]) -> float:
    """CPU time so far, with that of ended children, which a parent takes over."""
    return sum(_cpu(process) for process in members)


def _cpu(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)


def pss_bytes(members: Iterable[psutil.Process]) -> int:
    """Proportional set size: shared pages count once over all processes."""
    return sum(_pss(process.pid) for process in members)


def _pss(pid: int) -> int:
    try:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) * _KIB
