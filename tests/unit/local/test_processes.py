import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from services.local import processes
from services.local.processes import Spec
from services.local.state import Kind, Running, birth
from tests.conditions import wait_until

SLEEPS = "import time; time.sleep(60)"
PARENT = f"""
import asyncio, sys
from pathlib import Path
from services.local.processes import Spec, spawn
from services.local.state import Kind
async def main():
    spec = Spec(name="c", kind=Kind.SERVICE, command=(sys.executable, "-c", {SLEEPS!r}), url="", probe="", ports=())
    child = await spawn(spec, Path(sys.argv[1]))
    print(child.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


def running(pid: int, started: str) -> Running:
    return Running(name="order", kind=Kind.SERVICE, pid=pid, started=started, url="", probe="")


def test_a_process_does_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))

        parent.kill()

    wait_until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_a_process_that_a_dead_supervisor_left_is_ended() -> None:
    with subprocess.Popen([sys.executable, "-c", SLEEPS]) as left:
        known = running(left.pid, birth(left.pid))

        processes.end_leftover(known)

        assert known.process() is None


def test_a_process_that_only_has_the_same_id_is_left_alone() -> None:
    with subprocess.Popen([sys.executable, "-c", SLEEPS]) as other:
        processes.end_leftover(running(other.pid, started="earlier"))

        assert other.poll() is None
        other.kill()


def test_a_process_that_has_ended_before_it_is_recorded_is_recorded_all_the_same() -> None:
    spec = Spec(name="order", kind=Kind.SERVICE, command=(), url="u", probe="p", ports=())
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()

    recorded = processes.running(spec, ended.pid)

    assert recorded.pid == ended.pid
    assert recorded.process() is None


def test_a_log_that_has_grown_too_long_is_moved_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "LOG_LIMIT", 3)
    log = tmp_path / "order.log"
    log.write_text("long")

    processes.rotate(log)

    assert log.read_text() == ""
    assert (tmp_path / "order.log.1").read_text() == "long"


def test_a_short_log_stays(tmp_path: Path) -> None:
    log = tmp_path / "order.log"
    log.write_text("short")

    processes.rotate(log)

    assert log.read_text() == "short"


def test_the_tail_of_a_log_is_its_last_lines(tmp_path: Path) -> None:
    log = tmp_path / "order.log"
    log.write_text("one\ntwo\nthree\n")

    assert processes.tail(log, lines=2) == "two\nthree"
    assert processes.tail(tmp_path / "absent.log") == "(no log)"
