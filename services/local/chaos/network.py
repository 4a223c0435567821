"""Making the network worse: toxics in the proxies of a detour, added and removed through toxiproxy's door."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from itertools import count
from types import MappingProxyType
from typing import Any

import aiohttp

from services.local import health
from services.local.chaos.schedule import Trouble
from services.local.refusals import Refusal

_TOXICS: Mapping[Trouble, str] = MappingProxyType(
    {
        Trouble.LATENCY: "latency",
        Trouble.BLACK_HOLE: "timeout",
        Trouble.RESET: "reset_peer",
        Trouble.CUT: "limit_data",
    }
)
"""A black hole is a time-out that is never over: its attribute `timeout` is 0 unless it is given, as a reset's is."""

_GONE_WITHIN = 120.0
"""Seconds: toxiproxy removes a toxic when whoever is at the end of a connection reads, and that one may be paused."""

_TIMEOUT = aiohttp.ClientTimeout(total=30)
"""Toxiproxy gives up after 25 seconds, and says so."""


class NetworkStaysBroken(Refusal):
    """What was done to the network could not be undone, so nothing that comes after it says anything."""


@dataclass
class Network:
    """The network between the services and their stores.

    :param door: where toxiproxy is told what to do.
    """

    door: str
    _numbers: Iterator[int] = field(default_factory=count)

    @asynccontextmanager
    async def troubled(self, backend: str, fault: Mapping[str, Any]) -> AsyncIterator[bool]:
        """Trouble on the way to a backend until the end of the block, which is told whether there is any.

        Each has a name of its own, so that several on one way end without ending one another.

        :param fault: its `kind`, the `stream` that it is in, and what toxiproxy calls the attributes of such a toxic.
        :raises NetworkStaysBroken: it does not end.
        """
        attributes = dict(fault)
        kind, stream = Trouble(attributes.pop("kind")), attributes.pop("stream")
        name, path = f"{_TOXICS[kind]}-{next(self._numbers)}", f"/proxies/{backend}/toxics"
        toxic = {"name": name, "type": _TOXICS[kind], "stream": stream, "attributes": attributes}
        try:
            yield await self._status("POST", path, toxic) == HTTPStatus.OK
        finally:
            await self._until("DELETE", f"{path}/{name}", {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND})

    async def calm(self) -> None:
        """End all trouble, whoever made it.

        :raises NetworkStaysBroken: it does not end.
        """
        await self._until("POST", "/reset", {HTTPStatus.NO_CONTENT})

    async def _until(self, method: str, path: str, wanted: set[HTTPStatus]) -> None:
        if not await health.becomes_true(partial(self._is_answered, method, path, wanted), within=_GONE_WITHIN):
            raise NetworkStaysBroken(NetworkStaysBroken.__doc__)

    async def _is_answered(self, method: str, path: str, wanted: set[HTTPStatus]) -> bool:
        return await self._status(method, path) in wanted

    async def _status(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> int | None:
        """What it answers; nothing when it is away, and then it has forgotten everything when it is back."""
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT) as session,
                session.request(method, f"{self.door}{path}", json=body) as answer,
            ):
                return answer.status
        except (aiohttp.ClientError, TimeoutError):
            return None
