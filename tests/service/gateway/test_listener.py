"""The public listener on a real socket: heads that trickle, heads that never end, forwarded addresses."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
import uvicorn
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from services.gateway.listener import LARGEST_HEAD, PublicProtocol, server_options
from services.gateway.settings import GatewaySettings
from tests.conditions import eventually, free_port

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Hasty(PublicProtocol):
    head_seconds = 0.1


async def _who(scope: Scope, receive: Receive, send: Send) -> None:
    await JSONResponse({"client": scope["client"][0], "scheme": scope["scheme"]})(scope, receive, send)


def settings(trusted: str = "") -> GatewaySettings:
    return GatewaySettings(
        app_port=1,
        dapr_http_port=1,
        dapr_grpc_port=1,
        app_api_token="x",
        dapr_api_token="x",
        sidecart_trusted_proxies=trusted,
    )


Listen = Callable[..., AbstractAsyncContextManager[Connection]]


@pytest.fixture
def connected() -> Listen:
    @asynccontextmanager
    async def connected(
        protocol: type[PublicProtocol] = PublicProtocol, trusted: str = ""
    ) -> AsyncIterator[Connection]:
        port = free_port()
        options = server_options(settings(trusted)) | {"http": protocol}
        config = uvicorn.Config(_who, port=port, log_level="critical", lifespan="off", server_header=False, **options)
        server = uvicorn.Server(config)
        task = asyncio.create_task(server.serve())
        await eventually(lambda: _is_started(server))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        yield reader, writer
        writer.close()
        server.should_exit = True
        await task

    return connected


async def _is_started(server: uvicorn.Server) -> bool:
    return server.started


async def _head(reader: asyncio.StreamReader) -> str:
    return (await reader.readuntil(b"\r\n\r\n")).decode()


async def test_a_connection_that_sends_nothing_is_ended(connected: Listen) -> None:
    async with connected(Hasty) as (reader, _):
        assert await asyncio.wait_for(reader.read(), 5) == b""


async def test_a_head_that_trickles_is_ended(connected: Listen) -> None:
    async with connected(Hasty) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: shop.example\r\nX-Slow: ")

        assert await asyncio.wait_for(reader.read(), 5) == b""


async def test_a_complete_head_may_wait_for_its_answer_and_the_next_request(connected: Listen) -> None:
    async with connected(Hasty) as (reader, writer):
        answers = []
        for _ in range(2):
            writer.write(b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n")
            head = await _head(reader)
            answers.append(head.splitlines()[0])
            await reader.readexactly(len(b'{"client":"127.0.0.1","scheme":"http"}'))

    assert answers == ["HTTP/1.1 200 OK"] * 2
    assert "server:" not in head.lower()


async def test_a_head_without_end_is_refused(connected: Listen) -> None:
    async with connected() as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: shop.example\r\nX-Large: " + b"x" * (LARGEST_HEAD + 1))
        answer = await asyncio.wait_for(reader.read(), 5)

    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 431 ")
    assert f"content-length: {len(body)}".encode() in head


async def test_a_large_body_is_not_taken_for_a_head(connected: Listen) -> None:
    async with connected() as (reader, writer):
        size = 2 * LARGEST_HEAD
        writer.write(f"POST / HTTP/1.1\r\nHost: shop.example\r\nContent-Length: {size}\r\n\r\n".encode())
        writer.write(b"x" * size)

        assert (await _head(reader)).startswith("HTTP/1.1 200 ")


@pytest.mark.parametrize(("trusted", "believed"), [("", b"127.0.0.1"), ("127.0.0.1", b"198.51.100.7")])
async def test_a_forwarded_address_is_believed_of_named_proxies_only(
    connected: Listen, trusted: str, believed: bytes
) -> None:
    async with connected(trusted=trusted) as (reader, writer):
        forwarded = "X-Forwarded-For: 198.51.100.7\r\nX-Forwarded-Proto: https\r\n"
        writer.write(f"GET / HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n{forwarded}\r\n".encode())

        assert believed in await reader.read()
