"""The gateway between a client and a sidecar: the sidecar is a double at the wire, Redis is real."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import httpx2
import pytest
from aiohttp import web
from multidict import CIMultiDict
from redis import Redis
from redis.exceptions import RedisError

from services.gateway import app
from services.gateway.settings import GatewaySettings
from services.local import redis
from services.shared.runtime import Runtime, Start
from services.shared.sidecar import Sidecar
from tests.conditions import free_port, wait_until
from tests.service.doors import Tokens

DAPR_ERROR = '{"errorCode":"ERR_DIRECT_INVOKE","message":"failed to invoke, id: order, err: no such host"}'


@dataclass
class Seen:
    """A call as it reached the sidecar."""

    app_id: str
    method: str
    address: str
    headers: CIMultiDict[str]
    body: bytes


@dataclass
class Wire:
    """Stands for the sidecar: keeps what it sees and answers what it was told to."""

    seen: list[Seen] = field(default_factory=list)
    answers: dict[tuple[str, str], Callable[[], Any]] = field(default_factory=dict)
    port: int = 0
    grpc_port: int = 0

    def answer(self, app_id: str, path: str, **answer: Any) -> None:
        """Answer calls of this path so from now on."""
        self.answers[app_id, path] = lambda: web.Response(**answer)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/v1.0/healthz/outbound":
            return web.Response(status=204)
        app_id, body = request.headers["dapr-app-id"], await request.read()
        self.seen.append(Seen(app_id, request.method, request.raw_path, CIMultiDict(request.headers), body))
        answer = self.answers.get((app_id, request.path), lambda: web.json_response({"ok": True}))()
        found: web.StreamResponse = await answer if asyncio.iscoroutine(answer) else answer
        return found


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    wire = Wire()
    application = web.Application(client_max_size=64 * 1024 * 1024)
    application.router.add_route("*", "/{path:.*}", wire.handle)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    wire.port, wire.grpc_port = free_port(), free_port()
    site = web.TCPSite(runner, "127.0.0.1", wire.port)
    await site.start()
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_health(),))
    server.add_insecure_port(f"127.0.0.1:{wire.grpc_port}")
    await server.start()
    yield wire
    await server.stop(None)
    await runner.cleanup()


def _health() -> grpc.GenericRpcHandler:
    async def healthy(_: bytes, __: object) -> bytes:
        return b""

    methods: dict[str, Any] = {"HealthCheck": grpc.unary_unary_rpc_method_handler(healthy)}
    return grpc.method_handlers_generic_handler("dapr.proto.runtime.v1.AppCallbackHealthCheck", methods)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port, folder = free_port(), tmp_path_factory.mktemp("redis")
    spec = redis.server("redis", port=port, password="test", folder=folder, durability=("save 900 1",))
    url = f"redis://:test@127.0.0.1:{port}/0"
    with subprocess.Popen(spec.command, cwd=folder, stdout=subprocess.DEVNULL) as server:
        wait_until(lambda: _pings(url))
        yield url
        server.terminate()


def _pings(url: str) -> bool:
    with Redis.from_url(url) as client:
        try:
            return bool(client.ping())
        except RedisError:
            return False


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """Counters at zero."""
    with Redis.from_url(redis_server) as client:
        client.flushall()
    return redis_server


class Visitor(httpx2.AsyncClient):
    """Somebody outside."""

    runtime: Runtime


Open = Callable[..., AbstractAsyncContextManager[Visitor]]


@pytest.fixture
def gateway(wire: Wire, redis_url: str, tokens: Tokens) -> Open:
    """Opens a gateway with the settings that a test gives it."""

    @asynccontextmanager
    async def open_gateway(*, url: str = redis_url, address: str = "192.0.2.1", **other: Any) -> AsyncIterator[Visitor]:
        settings = GatewaySettings(
            app_port=1,
            dapr_http_port=wire.port,
            dapr_grpc_port=wire.grpc_port,
            app_api_token="app",
            dapr_api_token="api",
            **other,
        )
        application = app.create(_start(wire, url, tokens), settings)
        transport = httpx2.ASGITransport(app=application, raise_app_exceptions=False, client=(address, 40000))
        async with (
            application.router.lifespan_context(application),
            Visitor(transport=transport, base_url="http://shop.example") as visitor,
        ):
            visitor.runtime = application.state.runtime
            yield visitor

    return open_gateway


def _start(wire: Wire, url: str, tokens: Tokens) -> Start:
    @asynccontextmanager
    async def start() -> AsyncIterator[Runtime]:
        sidecar = Sidecar(http_port=wire.port, grpc_port=wire.grpc_port, api_token="api")
        await sidecar.open()
        try:
            yield Runtime(app_id="gateway", sidecar=sidecar, secrets={"redis-url": url}, keys=tokens.keys)
        finally:
            await sidecar.close()

    return start


@pytest.fixture
async def visitor(gateway: Open) -> AsyncIterator[Visitor]:
    async with gateway() as visitor:
        yield visitor
