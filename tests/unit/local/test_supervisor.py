import asyncio
import errno
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from services.local import processes, supervisor
from services.local.processes import Spec
from services.local.refusals import Refusal, StartFailed
from services.local.state import Kind, Phase, Record, State
from services.local.supervisor import Backoff, Child, Supervisor, all_healthy, together
from services.local.topology import Ports
from tests.conditions import eventually, free_port

SERVES = """
import http.server, sys
class Fine(http.server.BaseHTTPRequestHandler):
    def do_GET(self): self.send_response(200); self.end_headers()
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Fine).serve_forever()
"""
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
)


def spec(name: str, code: str, *, kind: Kind = Kind.SERVICE, grace: float = 5) -> Spec:
    port = free_port()
    url = f"http://127.0.0.1:{port}/"
    command = (sys.executable, "-c", code, str(port))
    return Spec(name=name, kind=kind, command=command, url=url, probe=url, ports=(port,), grace=grace)


@pytest.fixture
def state(tmp_path: Path) -> State:
    state = State(tmp_path)
    state.create()
    return state


@asynccontextmanager
async def supervised(state: State, told: list[str] | None = None) -> AsyncIterator[Supervisor]:
    keeper = Supervisor(state, Ports(), (told if told is not None else []).append)
    try:
        yield keeper
    finally:
        await keeper.stop()


def recorded(state: State) -> Record:
    record = state.read()
    assert record is not None
    return record


def pid_of(child: Child) -> int:
    assert child.running is not None
    return child.running.pid


def test_pauses_grow_up_to_fifteen_seconds() -> None:
    backoff = Backoff()

    pauses = [backoff.after(lasted=0.1) for _ in range(7)]

    assert pauses == [0.5, 1, 2, 4, 8, 15, 15]


def test_pauses_start_over_after_thirty_good_seconds() -> None:
    backoff = Backoff()
    for _ in range(4):
        backoff.after(lasted=0.1)

    assert backoff.after(lasted=31) == 0.5
    assert backoff.after(lasted=0.1) == 1


def test_a_killed_process_starts_again_at_once_however_often_and_pauses_grow_by_failures_only() -> None:
    backoff = Backoff()

    killed = [backoff.after(lasted=0.1, killed=True) for _ in range(5)]
    failed = [backoff.after(lasted=0.1), backoff.after(lasted=0.1, killed=True), backoff.after(lasted=0.1)]

    assert killed == [0.5] * 5
    assert failed == [0.5, 0.5, 1]


async def test_a_process_that_is_killed_again_and_again_is_never_left_waiting(state: State) -> None:
    told: list[str] = []
    async with supervised(state, told) as keeper:
        (child,) = keeper.start([spec("shop", SERVES)])
        for _ in range(3):
            await child.healthy()
            victim = pid_of(child)
            os.kill(victim, signal.SIGKILL)
            await eventually(lambda victim=victim: asyncio.sleep(0, pid_of(child) != victim))  # type: ignore[misc]

    assert [line.partition(" and ")[2].partition(";")[0] for line in told] == ["starts again in 0.5 s"] * 3


async def test_a_started_process_is_recorded_with_what_it_takes_to_find_it_again(state: State) -> None:
    async with supervised(state) as keeper:
        await keeper.started([spec("shop", SERVES)])

        (running,) = recorded(state).processes
        process = running.process()
        assert process is not None
        assert process.ppid() == os.getpid()


async def test_a_process_that_crashes_starts_again(state: State) -> None:
    told: list[str] = []
    async with supervised(state, told) as keeper:
        (child,) = keeper.start([spec("shop", SERVES)])
        await child.healthy()
        first = pid_of(child)

        os.kill(first, signal.SIGKILL)
        await eventually(lambda: asyncio.sleep(0, pid_of(child) != first))

        await child.healthy()
        assert recorded(state).processes[0].pid == pid_of(child)
    assert "shop ended (killed by SIGKILL) and starts again in 0.5 s" in told[0]


async def test_a_process_that_keeps_ending_fails_the_start_with_the_end_of_its_log(state: State) -> None:
    async with supervised(state) as keeper:
        (child,) = keeper.start([spec("shop", "import sys; sys.exit('no configuration')")])
        child.ended = supervisor.START_ATTEMPTS - 1

        with pytest.raises(StartFailed, match=r"shop keeps ending[^$]*no configuration"):
            await child.healthy()


async def test_a_process_that_cannot_be_started_is_tried_again(state: State, tmp_path: Path) -> None:
    told: list[str] = []
    program = tmp_path / "program"
    wanted = spec("shop", SERVES)
    async with supervised(state, told) as keeper:
        (child,) = keeper.start([replace(wanted, command=(str(program), *wanted.command[1:]))])
        await eventually(lambda: asyncio.sleep(0, child.ended == 1))

        program.symlink_to(sys.executable)

        await child.healthy()
    assert "shop could not be started" in told[0]
    assert "starts again in 0.5 s" in told[0]


async def test_a_process_is_kept_where_neither_the_record_nor_the_watcher_has_room(state: State) -> None:
    state.record_file.mkdir()

    def full(_: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    keeper = Supervisor(state, Ports(), full)
    try:
        (child,) = keeper.start([spec("shop", SERVES)])
        keeper.say("half way")
        await child.healthy()
        first = pid_of(child)
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: asyncio.sleep(0, pid_of(child) != first))

        await child.healthy()
    finally:
        await keeper.stop()


async def test_a_process_that_never_answers_fails_the_start(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "START_LIMIT", 0.2)
    async with supervised(state) as keeper:
        children = keeper.start([spec("shop", "import time; time.sleep(60)")])

        with pytest.raises(StartFailed, match="shop did not become healthy within 0 s"):
            await all_healthy(children)


async def test_nothing_runs_after_stopping(state: State) -> None:
    async with supervised(state) as keeper:
        await keeper.started([spec("one", SERVES), spec("two", SERVES)])

    assert all(running.process() is None for running in recorded(state).processes)


async def test_the_kind_started_last_stops_first(state: State, tmp_path: Path) -> None:
    order = tmp_path / "order"
    leaves = "import signal, sys, time\ndef leave(*_): open(sys.argv[2], 'a').write(sys.argv[3]); sys.exit()\n"
    leaves += "signal.signal(signal.SIGTERM, leave); print('ready', flush=True); time.sleep(60)"

    def leaving(name: str, kind: Kind) -> Spec:
        base = spec(name, leaves, kind=kind)
        return Spec(
            name=name,
            kind=kind,
            command=(*base.command, str(order), f"{name} "),
            url="",
            probe=base.probe,
            ports=base.ports,
        )

    async with supervised(state) as keeper:
        keeper.start([leaving("store", Kind.STORE)])
        keeper.start([leaving("service", Kind.SERVICE)])
        for name in ("store", "service"):
            await says_ready(state.log(name))

    assert order.read_text() == "service store "


async def test_a_process_whose_keeping_failed_does_not_keep_the_others_from_being_stopped(state: State) -> None:
    keeper = Supervisor(state, Ports(), print)
    keeper.start([replace(spec("broken", SERVES), command=("a name\0with an end in it",))])
    await keeper.started([spec("store", SERVES, kind=Kind.STORE), spec("service", SERVES)])

    with pytest.raises(ExceptionGroup) as failed:
        await keeper.stop()

    assert failed.group_contains(ValueError, match="embedded null byte")
    assert [running.process() for running in recorded(state).processes] == [None, None]


async def test_a_process_that_will_not_end_is_killed_after_its_grace(state: State) -> None:
    async with supervised(state) as keeper:
        (child,) = keeper.start([spec("stubborn", STUBBORN, grace=0.2)])
        await says_ready(state.log("stubborn"))

    assert child.running is not None
    assert child.running.process() is None


async def test_stopping_does_not_wait_for_a_pause_to_end(state: State) -> None:
    async with supervised(state) as keeper:
        (child,) = keeper.start([spec("shop", "")])
        await eventually(lambda: asyncio.sleep(0, child.ended == 1))


async def test_what_is_said_reaches_the_watcher_and_the_record(state: State) -> None:
    told: list[str] = []
    async with supervised(state, told) as keeper:
        keeper.say("half way")
        keeper.say("all there", Phase.HEALTHY)

    assert told == ["half way", "all there"]
    assert (recorded(state).message, recorded(state).phase) == ("all there", Phase.HEALTHY)


async def test_a_failure_is_recorded_for_whoever_waits(state: State) -> None:
    async with supervised(state) as keeper:
        keeper.fail("no room on the disk")

    assert (recorded(state).message, recorded(state).phase) == ("no room on the disk", Phase.FAILED)


async def test_the_first_refusal_ends_what_is_done_beside_it() -> None:
    async def refuse() -> None:
        raise Refusal("no")

    with pytest.raises(Refusal, match="no"):
        await together(refuse(), asyncio.sleep(60))


async def test_logs_are_kept_within_bounds_while_processes_write(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "LOGS_EVERY", 0.01)
    monkeypatch.setattr(processes, "LOG_LIMIT", 10)
    async with supervised(state) as keeper:
        keeper.start([spec("shop", "import time; print('x' * 100, flush=True); time.sleep(60)")])
        await eventually(lambda: asyncio.sleep(0, state.log("shop").exists() and state.log("shop").stat().st_size > 0))

        tending = asyncio.create_task(keeper.tend_logs())
        await eventually(lambda: asyncio.sleep(0, state.log("shop").stat().st_size == 0))

        tending.cancel()
    assert (state.logs / "shop.log.1").read_text() == "x" * 100 + "\n"


async def test_a_log_that_cannot_be_moved_aside_is_told_and_the_others_and_the_record_are_tended(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "LOGS_EVERY", 0.01)
    monkeypatch.setattr(processes, "LOG_LIMIT", 10)
    told: list[str] = []
    async with supervised(state, told) as keeper:
        keeper.start([spec(name, STUBBORN, grace=0) for name in ("one", "other")])
        for name in ("one", "other"):
            await says_ready(state.log(name))
            state.log(name).write_text("x" * 100)
        (state.logs / "one.log.1").mkdir()
        state.record_file.unlink()

        tending = asyncio.create_task(keeper.tend_logs())
        await eventually(lambda: asyncio.sleep(0, state.log("other").stat().st_size == 0))
        await eventually(lambda: asyncio.sleep(0, state.record_file.exists()))

        tending.cancel()
    assert "the log of one could not be moved aside" in told[0]
    assert state.log("one").read_text() == "x" * 100


async def says_ready(log: Path) -> None:
    await eventually(lambda: asyncio.sleep(0, log.exists() and "ready" in log.read_text()))
