"""Toxiproxy does what chaos asks of it: trouble begins, ends, and leaves no connection behind that hears nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.local import detour, health, processes
from services.local.chaos.network import Network
from services.local.chaos.schedule import Trouble
from services.local.ports import free_offset
from services.local.state import State
from services.local.topology import Backend, Ports

UPSTREAM = {"kind": Trouble.BLACK_HOLE.value, "stream": "upstream"}
DOWNSTREAM = {"kind": Trouble.BLACK_HOLE.value, "stream": "downstream"}


@asynccontextmanager
async def echoing(port: int) -> AsyncIterator[list[bytes]]:
    """A server that says what it hears, and what it has heard."""
    heard: list[bytes] = []

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            heard.append(line)
            writer.write(line)
        writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1", port):
        yield heard


@pytest.fixture
async def ports(tmp_path: Path) -> AsyncIterator[Ports]:
    """Where toxiproxy listens; without it and without Go the test is skipped."""
    if obstacle := await detour.obstacle(print):
        pytest.skip(obstacle)
    fixed = Ports(detour=True)
    ways = [fixed.detours, *map(fixed.reached, Backend), *map(fixed.direct, Backend)]
    found = Ports(offset=free_offset(ways), detour=True)
    spec = detour.spec(await detour.ensure(print), state=State(tmp_path), ports=found)
    process = await processes.spawn(spec, tmp_path / "log")
    try:
        assert await health.becomes_true(lambda: health.answers(spec.probe), within=30)
        yield found
    finally:
        await processes.stop(process, spec)


@pytest.fixture
def network(ports: Ports) -> Network:
    return Network(f"http://127.0.0.1:{ports.detours}")


async def said(ports: Ports, line: bytes) -> bytes:
    """What is answered on a new connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", ports.reached(Backend.REDIS))
    writer.write(line)
    answer = await reader.readline()
    writer.close()
    return answer


async def test_what_is_swallowed_is_never_heard_and_its_connection_ends_with_the_trouble(
    ports: Ports, network: Network
) -> None:
    async with echoing(ports.direct(Backend.REDIS)) as heard:
        async with network.troubled("redis", UPSTREAM) as is_troubled:
            asking = asyncio.create_task(said(ports, b"lost\n"))
            done, _ = await asyncio.wait([asking], timeout=0.2)

        assert (is_troubled, done, await asking, heard) == (True, set(), b"", [])
        assert await said(ports, b"found\n") == b"found\n"


async def test_an_answer_is_swallowed_after_it_was_acted_on(ports: Ports, network: Network) -> None:
    async with echoing(ports.direct(Backend.REDIS)) as heard:
        async with network.troubled("redis", DOWNSTREAM):
            asking = asyncio.create_task(said(ports, b"done\n"))
            await health.becomes_true(lambda: asyncio.sleep(0, bool(heard)), within=10)

        assert (await asking, heard) == (b"", [b"done\n"])


async def test_two_troubles_on_one_way_do_not_end_each_other(ports: Ports, network: Network) -> None:
    late = {"kind": Trouble.LATENCY.value, "stream": "upstream", "latency": 100, "jitter": 0}
    clock = asyncio.get_running_loop()
    async with echoing(ports.direct(Backend.REDIS)), network.troubled("redis", late):
        async with network.troubled("redis", late):
            pass

        began = clock.time()
        await said(ports, b"late\n")
        assert clock.time() - began > 0.09


async def test_an_answer_is_reset(ports: Ports, network: Network) -> None:
    async with (
        echoing(ports.direct(Backend.REDIS)) as heard,
        network.troubled("redis", {"kind": Trouble.RESET.value, "stream": "downstream"}),
    ):
        with pytest.raises(ConnectionResetError):
            await said(ports, b"question\n")

        assert heard == [b"question\n"]


async def test_an_answer_is_cut_off(ports: Ports, network: Network) -> None:
    cut = {"kind": Trouble.CUT.value, "stream": "downstream", "bytes": 2}
    async with echoing(ports.direct(Backend.REDIS)), network.troubled("redis", cut):
        assert await said(ports, b"question\n") == b"qu"


async def test_all_trouble_ends_at_once(ports: Ports, network: Network) -> None:
    async with echoing(ports.direct(Backend.REDIS)), network.troubled("redis", UPSTREAM):
        await network.calm()

        assert await said(ports, b"found\n") == b"found\n"
