"""Signals to real processes, and requests to a provider in memory."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from services.local import topology
from services.local.chaos import striking
from services.local.chaos.schedule import Deed, Strike, Victim
from services.local.chaos.striking import Striker
from services.local.plan import unmoved_ports
from services.local.ports import free_offset
from services.local.state import Kind, Phase, Record, Running, State, birth
from services.local.system import System
from services.local.topology import Ports
from tests.conditions import eventually

SLEEPS = (sys.executable, "-c", "import time; time.sleep(60)")


def strike(deed: Deed, *names: str, seconds: float = 0.05, **fault: object) -> Strike:
    return Strike(at=0, deed=deed, kind=deed, names=names, seconds=seconds, fault=fault)


def recorded(state: State, processes: dict[str, psutil.Popen], offset: int = 0) -> System:
    me = os.getpid()
    running = tuple(
        Running(name=name, kind=Kind.SERVICE, pid=one.pid, started=born(one), url="", probe="tcp://127.0.0.1:1")
        for name, one in processes.items()
    )
    record = Record(supervisor=me, started=birth(me), offset=offset, phase=Phase.HEALTHY, processes=running)
    state.write(record)
    return System(state, offset)


def born(process: psutil.Popen) -> str:
    return birth(process.pid) if process.is_running() else ""


@contextmanager
def sleeping() -> Iterator[psutil.Popen]:
    with psutil.Popen(SLEEPS) as process:
        try:
            yield process
        finally:
            with suppress(psutil.NoSuchProcess):
                process.kill()


@pytest.fixture
def state(tmp_path: Path) -> State:
    state = State(tmp_path)
    state.create()
    return state


async def test_both_processes_of_a_pair_are_killed_and_written_down(state: State) -> None:
    with sleeping() as order, sleeping() as sidecar:
        striker = Striker(recorded(state, {"order": order, "order.sidecar": sidecar}))

        await striker.do(strike(Deed.KILL, "order", "order.sidecar"))

        assert [process.wait(5) for process in (order, sidecar)] == [-signal.SIGKILL] * 2
        assert striker.done[0].pids == (order.pid, sidecar.pid)


async def test_a_process_that_is_just_starting_again_is_waited_for(state: State) -> None:
    with sleeping() as gone, sleeping() as order:
        gone.kill()
        gone.wait()
        striker = Striker(recorded(state, {"order": gone}))

        killing = asyncio.create_task(striker.do(strike(Deed.KILL, "order")))
        await eventually(lambda: asyncio.sleep(0, not killing.done()))
        recorded(state, {"order": order})
        await killing

        assert order.wait(5) == -signal.SIGKILL


async def test_a_process_that_ends_before_the_signal_is_struck_another_time(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sleeping() as order, sleeping() as sidecar:
        gone = psutil.Process(order.pid)
        order.kill()
        order.wait()
        striker = Striker(recorded(state, {"order": sidecar}))
        found = iter([[gone], [sidecar]])
        monkeypatch.setattr(striker, "_victims", lambda _: asyncio.sleep(0, next(found)))

        await striker.do(strike(Deed.KILL, "order"))

    assert [one.pids for one in striker.done] == [(sidecar.pid,)]


async def test_a_relay_holder_is_killed_when_somebody_holds_the_lock_and_nobody_in_their_place(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    with sleeping() as order, sleeping() as holder:
        striker = Striker(recorded(state, {"order": order, "payment": holder}))
        found = iter([None, None, holder])
        monkeypatch.setattr(striker, "_relay_holder", lambda _: next(found))

        await striker.do(replace(strike(Deed.KILL, "order"), kind=Victim.RELAY_HOLDER))

        assert order.is_running()
        assert holder.wait(5) == -signal.SIGKILL
    assert [one.pids for one in striker.done] == [(holder.pid,)]


async def test_without_a_database_nobody_holds_its_lock_and_the_run_ends(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(striking, "_KILLED_WITHIN", 0.5)
    with sleeping() as order:
        striker = Striker(recorded(state, {"order": order}, free_offset(unmoved_ports(topology.load()))))

        with pytest.raises(TimeoutError):
            await striker.do(replace(strike(Deed.KILL, "order"), kind=Victim.RELAY_HOLDER))

        assert order.is_running()
    assert striker.done == []


async def test_what_ended_before_it_was_paused_or_rolled_is_not_written_down(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(striking, "_COMES_BACK_WITHIN", 0.1)
    with sleeping() as order:
        striker = Striker(recorded(state, {"order": order}))
        gone = psutil.Process(order.pid)
        order.kill()
        order.wait()
        monkeypatch.setattr(striker, "_alive", lambda _: asyncio.sleep(0, gone))

        for deed in (Deed.PAUSE, Deed.ROLL):
            await striker.do(strike(deed, "order"))

    assert striker.done == []


async def test_a_paused_process_stands_still_and_goes_on(state: State) -> None:
    with sleeping() as order:
        striker = Striker(recorded(state, {"order": order}))

        pausing = asyncio.create_task(striker.do(strike(Deed.PAUSE, "order", seconds=0.5)))
        await eventually(lambda: asyncio.sleep(0, order.status() == psutil.STATUS_STOPPED))
        await pausing

        assert order.status() != psutil.STATUS_STOPPED


async def test_nothing_stays_paused_when_the_work_ends_early(state: State) -> None:
    with sleeping() as order:
        striker = Striker(recorded(state, {"order": order}))

        async with striker.working():
            pausing = asyncio.create_task(striker.do(strike(Deed.PAUSE, "order", seconds=60)))
            await eventually(lambda: asyncio.sleep(0, order.status() == psutil.STATUS_STOPPED))
        pausing.cancel()

        assert order.status() != psutil.STATUS_STOPPED


async def test_a_roll_ends_a_process_in_good_order(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(striking, "_COMES_BACK_WITHIN", 0.1)
    with sleeping() as order:
        await Striker(recorded(state, {"order": order})).do(strike(Deed.ROLL, "order"))

        assert order.wait(5) == -signal.SIGTERM


async def test_a_process_that_does_not_come_back_ends_the_run(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(striking, "_COMES_BACK_WITHIN", 0.1)
    with sleeping() as gone:
        gone.kill()
        gone.wait()

        with pytest.raises(TimeoutError):
            await Striker(recorded(state, {"order": gone})).do(strike(Deed.KILL, "order"))


@asynccontextmanager
async def provider(state: State) -> AsyncIterator[tuple[System, list[tuple[str, str, object]]]]:
    asked: list[tuple[str, str, object]] = []

    async def keep(request: web.Request) -> web.Response:
        asked.append((request.method, request.path, await request.json() if request.can_read_body else None))
        return web.Response(status=204)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", keep)
    offset = free_offset([8620])
    async with TestServer(app, port=8620 + offset):
        yield recorded(state, {}, offset), asked


@pytest.mark.parametrize(
    ("deed", "method", "path"), [(Deed.PROVIDER, "POST", "faults"), (Deed.WEBHOOKS, "PUT", "webhooks")]
)
async def test_the_provider_misbehaves_for_a_while(state: State, deed: Deed, method: str, path: str) -> None:
    async with provider(state) as (system, asked):
        striker = Striker(system)

        await striker.do(strike(deed, "stripe", kind="drop_answer"))

    assert asked == [(method, f"/_stand-in/{path}", {"kind": "drop_answer"}), ("DELETE", f"/_stand-in/{path}", None)]
    assert [one.strike.deed for one in striker.done] == [deed]


async def test_a_provider_that_is_away_is_not_struck(state: State) -> None:
    striker = Striker(recorded(state, {}, free_offset([8620])))

    await striker.do(strike(Deed.PROVIDER, "stripe", kind="drop_answer"))

    assert striker.done == []


CONNECTED = """
import socket, sys, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
s.bind(("127.0.0.1", int(sys.argv[1])))
s.connect(("127.0.0.1", int(sys.argv[2])))
print(s.getsockname()[1], flush=True)
time.sleep(60)
"""


@contextmanager
def connected(to: int, *, port: int = 0) -> Iterator[tuple[psutil.Popen, int]]:
    """A process with a connection, and the port of its end of it."""
    with psutil.Popen(
        (sys.executable, "-c", CONNECTED, str(port), str(to)), stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


def test_the_owner_of_a_connection_to_postgres_is_found_by_its_port_whoever_else_has_it_elsewhere(state: State) -> None:
    with socket.create_server(("127.0.0.1", 0)) as postgres, socket.create_server(("127.0.0.1", 0)) as elsewhere:
        postgres_port, other_port = (one.getsockname()[1] for one in (postgres, elsewhere))
        with connected(postgres_port) as (holder, port), connected(other_port, port=port) as (other, same):
            offset = postgres_port - Ports().postgres
            system = recorded(state, {"order": other, "payment": holder}, offset=offset)

            owners = [striking._owner(system, one) for one in (port, 1)]  # noqa: SLF001 - found by a port, not by a lock

    assert same == port
    assert [owner and owner.pid for owner in owners] == [holder.pid, None]
