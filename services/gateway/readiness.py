"""Readiness of the whole platform: every service is asked, and what is away is named."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from grpc.aio import UnaryUnaryMultiCallable

from services.gateway.forwarding import ServiceUnavailable, forward
from services.gateway.rates import Rates
from services.gateway.routes import HTTP_SERVICES
from services.shared.grpc_client import GrpcChannel
from services.shared.runtime import Runtime
from services.shared.sidecar import CallRefused, SidecarAway

_GRPC_HEALTH = "/dapr.proto.runtime.v1.AppCallbackHealthCheck/HealthCheck"
_GRPC_SERVICES = ("inventory",)
_SECONDS = 3.0
_KEPT_SECONDS = 0.2
_OK = 200


class Readiness:
    """Asks at most five times a second, however often it is asked itself."""

    def __init__(self, runtime: Runtime, channels: dict[str, GrpcChannel]) -> None:
        """`channels` lead to the services that speak gRPC."""
        self._runtime = runtime
        self._channels = channels
        self._turn = asyncio.Lock()
        self._away: list[str] = []
        self._asked_at = float("-inf")

    async def own_away(self) -> list[str]:
        """What the gateway itself cannot do without: its sidecar."""
        return [] if await self._runtime.sidecar.is_ready() else ["gateway.sidecar"]

    async def away(self) -> list[str]:
        """The names of what is away: services, and the stores that they name."""
        async with self._turn:
            if time.monotonic() - self._asked_at > _KEPT_SECONDS:
                self._away = await self._ask()
                self._asked_at = time.monotonic()
            return self._away

    async def _ask(self) -> list[str]:
        questions = [self._of_http(app_id) for app_id in HTTP_SERVICES]
        questions += [self._of_grpc(app_id, channel) for app_id, channel in self._channels.items()]
        found = await asyncio.gather(self.own_away(), self._of_counters(), *questions)
        return sorted({name for names in found for name in names})

    async def _of_http(self, app_id: str) -> list[str]:
        try:
            answer = await forward(
                self._runtime.sidecar,
                "GET",
                "/readyz",
                headers={"dapr-app-id": app_id},
                body=b"",
                seconds=_SECONDS,
            )
        except ServiceUnavailable:
            return [app_id]
        return [] if answer.status_code == _OK else _named(bytes(answer.body)) or [app_id]

    async def _of_grpc(self, app_id: str, channel: GrpcChannel) -> list[str]:
        ask: UnaryUnaryMultiCallable[bytes, bytes] = channel.channel.unary_unary(_GRPC_HEALTH)
        try:
            await channel.call(ask, b"", seconds=_SECONDS, repeatable=False)
        except (SidecarAway, CallRefused):
            return [app_id]
        return []

    async def _of_counters(self) -> list[str]:
        return [] if await self._runtime.part(Rates).is_ready() else ["redis"]


def _named(problem: bytes) -> list[str]:
    """What a service that is not ready names."""
    try:
        return [str(name) for name in json.loads(problem)["away"]]
    except (ValueError, TypeError, KeyError):
        return []


@asynccontextmanager
async def opened(runtime: Runtime) -> AsyncIterator[Readiness]:
    """Readiness with its channels open while the block runs."""
    channels = {app_id: GrpcChannel(runtime.sidecar, app_id) for app_id in _GRPC_SERVICES}
    try:
        yield Readiness(runtime, channels)
    finally:
        for channel in channels.values():
            await channel.channel.close()
