"""Calls to a service that speaks gRPC, through the sidecars: one channel per process and callee."""

import asyncio
import random
from types import TracebackType
from typing import Self, TypeVar

import grpc
from grpc import StatusCode

from services.shared import telemetry
from services.shared.sidecar import ANSWER_SECONDS, CallRefused, Sidecar, SidecarAway

Request = TypeVar("Request")
Reply = TypeVar("Reply")

_TRIES = 3
_OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
)
"""The sidecar ends connections that are pinged more often than every 8 s; a restarted one is found within 0.5 s."""

_REFUSALS = {
    StatusCode.INVALID_ARGUMENT: 422,
    StatusCode.UNAUTHENTICATED: 401,
    StatusCode.PERMISSION_DENIED: 403,
    StatusCode.NOT_FOUND: 404,
    StatusCode.FAILED_PRECONDITION: 409,
}
"""What a service that speaks gRPC refuses with, and how HTTP counts it; every other code means that it is away."""


class GrpcChannel:
    """A channel to one service through this process's sidecar.

    A stub is made over `channel`, its methods are called by `call`:
    `reply: ReserveReply = await inventory.call(stub.Reserve, request, token=customer.token)`.
    """

    def __init__(self, sidecar: Sidecar, app_id: str) -> None:
        """Prepare a channel to `app_id`; nothing is opened before the first call."""
        self._metadata = {"dapr-app-id": app_id, "dapr-api-token": sidecar.api_token}
        self.channel = grpc.aio.insecure_channel(sidecar.grpc_target, options=_OPTIONS)

    async def __aenter__(self) -> Self:
        """Use it as a block that closes the channel at its end."""
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        """Close the channel."""
        await self.channel.close()

    async def call(
        self,
        method: grpc.aio.UnaryUnaryMultiCallable[Request, Reply],
        request: Request,
        *,
        token: str | None = None,
        seconds: float = ANSWER_SECONDS,
        repeatable: bool = True,
    ) -> Reply:
        """Call a method of a stub over this channel.

        :param token: the user's access token, when the call is made for a user.
        :param seconds: the deadline of each try.
        :param repeatable: reads and commands with an identity are tried again when the network fails.
        :raises CallRefused: the service answered with a refusal; its slug is the gRPC status's details.
        :raises SidecarAway: no answer came.
        """
        left = _TRIES if repeatable else 1
        while True:
            left -= 1
            try:
                return await method(request, timeout=seconds, metadata=self._outgoing(token))
            except grpc.aio.AioRpcError as error:
                if error.code() in _REFUSALS:
                    raise _refusal(error) from error
                if not left:
                    raise SidecarAway from error
            await asyncio.sleep(random.uniform(0.5, 1.0) * 0.2 * (_TRIES - left))  # noqa: S311 - jitter, not a secret

    def _outgoing(self, token: str | None) -> tuple[tuple[str, str], ...]:
        authorization = {"authorization": f"Bearer {token}"} if token else {}
        return tuple(telemetry.outgoing(self._metadata | authorization).items())


def _refusal(error: grpc.aio.AioRpcError) -> CallRefused:
    status = _REFUSALS[error.code()]
    return CallRefused(status, {"type": error.details() or "", "status": status})
