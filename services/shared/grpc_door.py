"""The gRPC door: who may call which method, and the trace and the refusals around every call.

A method is a plain function beside its declaration, as an HTTP route is. A refusal becomes a status whose details are
its slug.
"""

import hmac
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import structlog
from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass
from grpc import StatusCode

from services.shared import telemetry
from services.shared.errors import STORE_IS_AWAY, Forbidden, Refusal, Unauthenticated
from services.shared.identity import Principal, Role, caller
from services.shared.runtime import Runtime

_CODES = {
    400: StatusCode.INVALID_ARGUMENT,
    401: StatusCode.UNAUTHENTICATED,
    403: StatusCode.PERMISSION_DENIED,
    404: StatusCode.NOT_FOUND,
    409: StatusCode.FAILED_PRECONDITION,
    412: StatusCode.FAILED_PRECONDITION,
    422: StatusCode.INVALID_ARGUMENT,
    503: StatusCode.UNAVAILABLE,
}

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Who:
    """Who may call a method; nobody gets in without the token of this service's own sidecar, unless that is said."""

    role: Role | None = None
    """The least role of the user whose access token the call must carry."""
    peers: frozenset[str] | None = None
    """The applications that may call; None leaves that to the sidecar's access control."""
    token: bool = True
    """Whether the sidecar sends its token; with its own questions it does not."""


SIDECAR = Who()
"""This service's own sidecar, with its token."""
ANYONE = Who(token=False)
"""Everybody, said on purpose."""


@dataclass(frozen=True, kw_only=True)
class Call:
    """A call that was let in."""

    runtime: Runtime
    principal: Principal | None = None

    @property
    def user(self) -> Principal:
        """The user whom the call is made for.

        :raises Unauthenticated: the method does not ask for one.
        """
        if self.principal is None:
            raise Unauthenticated
        return self.principal


Handler = Callable[[Call, Any], Awaitable[Any]]
_Metadata = Sequence[tuple[str, Any]]


class GrpcService:
    """The methods of one service of a proto file, each declared with who may call it."""

    def __init__(self, descriptor: ServiceDescriptor) -> None:
        """Without methods yet; those that stay undeclared answer UNIMPLEMENTED."""
        self._descriptor = descriptor
        self._methods: dict[str, tuple[Who, Handler]] = {}

    @property
    def methods(self) -> frozenset[str]:
        """The names of the methods that were declared."""
        return frozenset(self._methods)

    def method(self, name: str, who: Who) -> Callable[[Handler], Handler]:
        """Declare a method by its name in the proto file."""

        def keep(handler: Handler) -> Handler:
            self._methods[name] = (who, handler)
            return handler

        return keep

    def add_to(self, server: grpc.aio.Server, runtime: Runtime, *, token: str) -> None:
        """Serve the methods; `token` is what this service's own sidecar sends."""
        handlers = {}
        for name, (who, handler) in self._methods.items():
            method = self._descriptor.methods_by_name[name]
            route = f"/{self._descriptor.full_name}/{name}"
            handlers[name] = grpc.unary_unary_rpc_method_handler(
                _Door(who, handler, runtime, token.encode(), route).answer,
                GetMessageClass(method.input_type).FromString,
                GetMessageClass(method.output_type).SerializeToString,
            )
        generic = grpc.method_handlers_generic_handler(self._descriptor.full_name, handlers)
        server.add_generic_rpc_handlers((generic,))


@dataclass(frozen=True)
class _Door:
    """One method as the server calls it."""

    who: Who
    handler: Handler
    runtime: Runtime
    token: bytes
    route: str

    async def answer(self, request: object, context: grpc.aio.ServicerContext[Any, Any]) -> Any:  # noqa: ANN401 - a message
        """Answer the request, or end the call with a status."""
        metadata: _Metadata = list(context.invocation_metadata() or ())
        began = time.perf_counter()
        parent = dict(metadata).get("traceparent")
        with telemetry.trace_from(parent):
            status, slug, reply = await self._attempt(request, metadata)
        telemetry.REQUESTS.labels("GRPC", self.route, f"{status // 100}xx").observe(time.perf_counter() - began)
        if slug:
            await context.abort(_CODES.get(status, StatusCode.INTERNAL), slug)
        return reply

    async def _attempt(self, request: object, metadata: _Metadata) -> tuple[int, str, Any]:
        try:
            return 200, "", await self.handler(await self._admit(metadata), request)
        except Refusal as refusal:
            return refusal.status, refusal.slug, None
        except STORE_IS_AWAY as error:
            log.warning("store.away", error=type(error).__name__)
            return 503, "store-unavailable", None
        except Exception:
            log.exception("request.failed", route=self.route)
            return 500, "internal-error", None

    async def _admit(self, metadata: _Metadata) -> Call:
        found = dict(metadata)
        if self.who.token and not _is(found.get("dapr-api-token"), self.token):
            raise Unauthenticated
        principal = await self._principal(found)
        self._demand_peer(metadata)
        return Call(runtime=self.runtime, principal=principal)

    async def _principal(self, metadata: Mapping[str, Any]) -> Principal | None:
        if self.who.role is None:
            return None
        scheme, _, token = str(metadata.get("authorization", "")).partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated
        principal = await self.runtime.keys.verify(token)
        if not principal.can(self.who.role):
            raise Forbidden
        return principal

    def _demand_peer(self, metadata: _Metadata) -> None:
        if self.who.peers is None:
            return
        if caller([str(value) for name, value in metadata if name == "dapr-caller-app-id"]) not in self.who.peers:
            raise Forbidden


def _is(given: object, token: bytes) -> bool:
    return isinstance(given, str) and hmac.compare_digest(given.encode(), token)
