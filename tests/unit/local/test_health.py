import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from services.local import health
from tests.conditions import free_port


@asynccontextmanager
async def answering(answer: bytes) -> AsyncIterator[int]:
    async def reply(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(reply, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    ("answer", "healthy"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", False),
        (b"not HTTP at all\r\n", False),
        (b"\r\n", False),
    ],
)
async def test_a_process_is_healthy_when_it_answers_with_success(answer: bytes, *, healthy: bool) -> None:
    async with answering(answer) as port:
        assert await health.answers(f"http://127.0.0.1:{port}/healthz") is healthy


async def test_a_process_that_does_not_speak_http_is_healthy_when_it_accepts() -> None:
    async with answering(b"") as port:
        assert await health.answers(f"tcp://127.0.0.1:{port}")


async def test_a_port_that_nobody_listens_on_is_not_healthy() -> None:
    assert not await health.answers(f"http://127.0.0.1:{free_port()}/healthz")


async def test_waiting_ends_as_soon_as_the_check_succeeds() -> None:
    assert await health.becomes_true(after(3), within=10)


async def test_waiting_ends_without_success_after_its_time() -> None:
    assert not await health.becomes_true(after(1_000_000), within=0.05)


def after(times: int) -> Callable[[], Awaitable[bool]]:
    asked = 0

    async def check() -> bool:
        nonlocal asked
        asked += 1
        return asked >= times

    return check
