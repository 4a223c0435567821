"""Toxiproxy's door, in memory: toxics that nothing passes through."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer


@dataclass
class Toxiproxy:
    """What it was told, and its toxics by proxy and name; the next answers are these, until there are none left."""

    told: list[tuple[str, str]] = field(default_factory=list)
    toxics: dict[tuple[str, str], Mapping[str, Any]] = field(default_factory=dict)
    troubles: list[int] = field(default_factory=list)
    port: int = 0

    async def add(self, request: web.Request) -> web.Response:
        backend, toxic = request.match_info["backend"], await request.json()
        self.told.append(("POST", backend))
        if self.troubles:
            return web.Response(status=self.troubles.pop())
        self.toxics[backend, toxic.pop("name")] = toxic
        return web.json_response({})

    async def remove(self, request: web.Request) -> web.Response:
        backend = request.match_info["backend"]
        self.told.append(("DELETE", backend))
        if self.troubles:
            return web.Response(status=self.troubles.pop())
        gone = self.toxics.pop((backend, request.match_info["name"]), None)
        return web.Response(status=404 if gone is None else 204)

    async def reset(self, request: web.Request) -> web.Response:
        self.told.append(("POST", request.path))
        self.toxics.clear()
        return web.Response(status=204)


@asynccontextmanager
async def serving(port: int | None = None) -> AsyncIterator[Toxiproxy]:
    """Toxiproxy's door on a port."""
    toxiproxy = Toxiproxy()
    app = web.Application()
    app.router.add_post("/proxies/{backend}/toxics", toxiproxy.add)
    app.router.add_delete("/proxies/{backend}/toxics/{name}", toxiproxy.remove)
    app.router.add_post("/reset", toxiproxy.reset)
    async with TestServer(app, port=port) as server:
        toxiproxy.port = server.port or 0
        yield toxiproxy
