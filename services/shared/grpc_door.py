"""The gRPC door: who may call which method, the trace and the refusals around every call, and the sidecar's callbacks.

A method is a plain function beside its declaration, as an HTTP route is; events reach the same event door as over HTTP.
"""

import asyncio
import hmac
import json
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import structlog
import uvloop
from dapr.proto.runtime.v1 import appcallback_pb2 as callbacks
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.json_format import MessageToDict
from google.protobuf.message_factory import GetMessageClass
from grpc import StatusCode

from services.shared import dead_letters, service, telemetry
from services.shared.errors import STORE_IS_AWAY, Forbidden, Refusal, Unauthenticated
from services.shared.identity import PeerService, Principal, Role, caller
from services.shared.pubsub import Answer, EventDoor
from services.shared.runtime import Runtime, Start
from services.shared.settings import Settings
from services.shared.timers import Timer

GRACE_SECONDS = 20
_OPTIONS = (
    ("grpc.so_reuseport", 0),
    ("grpc.max_metadata_size", 64 * 1024),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
)
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
_ANSWERS = {
    Answer.SUCCESS: callbacks.TopicEventResponse.SUCCESS,
    Answer.RETRY: callbacks.TopicEventResponse.RETRY,
    Answer.DROP: callbacks.TopicEventResponse.DROP,
}

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Call:
    """Who calls, for a method that has admitted them."""

    runtime: Runtime
    principal: Principal | None = None
    peer: PeerService | None = None

    @property
    def user(self) -> Principal:
        """The user whom the call is made for.

        :raises Unauthenticated: the method does not ask for one.
        """
        if self.principal is None:
            raise Unauthenticated
        return self.principal


Handler = Callable[[Call, Any], Awaitable[Any]]


@dataclass(frozen=True, kw_only=True)
class _Method:
    handler: Handler
    role: Role | None
    peers: frozenset[str] | None
    from_sidecar: bool


class GrpcService:
    """The methods of one service of a proto file, each declared with who may call it."""

    def __init__(self, descriptor: ServiceDescriptor) -> None:
        """Without methods yet; those that stay undeclared answer UNIMPLEMENTED."""
        self._descriptor = descriptor
        self._methods: dict[str, _Method] = {}

    def method(
        self, name: str, *, role: Role | None = None, peers: Iterable[str] | None = None, from_sidecar: bool = False
    ) -> Callable[[Handler], Handler]:
        """Declare a method by its name in the proto file.

        :param role: the least role of the user whose token the call must carry.
        :param peers: the applications that may call.
        :param from_sidecar: the sidecar's own question, which comes without the application's token.
        :raises ValueError: nothing says who may call it.
        """
        if role is None and peers is None and not from_sidecar:
            message = f"{self._descriptor.full_name}/{name} does not say who may call it"
            raise ValueError(message)
        allowed = frozenset(peers) if peers is not None else None

        def keep(handler: Handler) -> Handler:
            self._methods[name] = _Method(handler=handler, role=role, peers=allowed, from_sidecar=from_sidecar)
            return handler

        return keep

    def add_to(self, server: grpc.aio.Server, runtime: Runtime, *, token: str) -> None:
        """Serve the methods; `token` is what this service's own sidecar sends."""
        handlers = {
            name: _handler(self._descriptor.methods_by_name[name], _Door(method, runtime, token.encode()))
            for name, method in self._methods.items()
        }
        generic = grpc.method_handlers_generic_handler(self._descriptor.full_name, handlers)
        server.add_generic_rpc_handlers((generic,))


def _handler(descriptor: MethodDescriptor, door: "_Door") -> grpc.RpcMethodHandler[Any, Any]:
    request, reply = GetMessageClass(descriptor.input_type), GetMessageClass(descriptor.output_type)
    door.route = f"/{descriptor.containing_service.full_name}/{descriptor.name}"
    return grpc.unary_unary_rpc_method_handler(door, request.FromString, reply.SerializeToString)


@dataclass
class _Door:
    """One method as the server calls it."""

    method: _Method
    runtime: Runtime
    token: bytes
    route: str = ""

    async def __call__(self, request: object, context: grpc.aio.ServicerContext[Any, Any]) -> Any:  # noqa: ANN401 - a message
        metadata = list(context.invocation_metadata() or ())
        began = time.perf_counter()
        status, reply, slug = 200, None, ""
        with telemetry.trace_from(_parent(dict(metadata))):
            try:
                reply = await self.method.handler(await self._admit(metadata), request)
            except Refusal as refusal:
                status, slug = refusal.status, refusal.slug
            except STORE_IS_AWAY as error:
                log.warning("store.away", error=type(error).__name__)
                status, slug = 503, "store-unavailable"
            except Exception:
                log.exception("request.failed", route=self.route)
                status, slug = 500, "internal-error"
        telemetry.REQUESTS.labels("GRPC", self.route, f"{status // 100}xx").observe(time.perf_counter() - began)
        if slug:
            await context.abort(_CODES.get(status, StatusCode.INTERNAL), slug)
        return reply

    async def _admit(self, metadata: Sequence[tuple[str, Any]]) -> Call:
        found = dict(metadata)
        if not (self.method.from_sidecar or _is(found.get("dapr-api-token"), self.token)):
            raise Unauthenticated
        return Call(runtime=self.runtime, principal=await self._principal(found), peer=self._peer(metadata))

    async def _principal(self, metadata: Mapping[str, Any]) -> Principal | None:
        if self.method.role is None:
            return None
        scheme, _, token = str(metadata.get("authorization", "")).partition(" ")
        if scheme.lower() != "bearer":
            raise Unauthenticated
        principal = await self.runtime.keys.verify(token)
        if not principal.can(self.method.role):
            raise Forbidden
        return principal

    def _peer(self, metadata: Sequence[tuple[str, Any]]) -> PeerService | None:
        if self.method.peers is None:
            return None
        app_id = caller([str(value) for name, value in metadata if name == "dapr-caller-app-id"])
        if app_id not in self.method.peers:
            raise Forbidden
        return PeerService(app_id=app_id)


def _is(given: object, token: bytes) -> bool:
    return isinstance(given, str) and hmac.compare_digest(given.encode(), token)


def _parent(metadata: Mapping[str, Any]) -> str | None:
    """The caller's trace, as text or in gRPC's binary form: version 0, then id 0 and 16 bytes, 1 and 8, 2 and 1."""
    text, binary = metadata.get("traceparent"), metadata.get("grpc-trace-bin")
    if text is None and isinstance(binary, bytes) and len(binary) == 29:  # noqa: PLR2004 - the sum of the parts
        return f"00-{binary[2:18].hex()}-{binary[19:27].hex()}-{binary[28:29].hex()}"
    return text


def _callbacks(app_id: str, door: EventDoor) -> list[GrpcService]:
    """What the sidecar asks of every application: its subscriptions, its bindings, its health; and events."""
    services = callbacks.DESCRIPTOR.services_by_name
    questions, health = GrpcService(services["AppCallback"]), GrpcService(services["AppCallbackHealthCheck"])

    @questions.method("ListTopicSubscriptions", from_sidecar=True)
    async def list_topic_subscriptions(_: Call, __: object) -> object:
        found = [
            callbacks.TopicSubscription(
                pubsub_name=one["pubsubname"],
                topic=one["topic"],
                routes=callbacks.TopicRoutes(default=one["route"]),
                dead_letter_topic=one.get("deadLetterTopic"),
            )
            for one in service.subscriptions(app_id, door)
        ]
        return callbacks.ListTopicSubscriptionsResponse(subscriptions=found)

    @questions.method("ListInputBindings", from_sidecar=True)
    async def list_input_bindings(_: Call, __: object) -> object:
        return callbacks.ListInputBindingsResponse()

    @questions.method("OnTopicEvent", peers=())
    async def on_topic_event(call: Call, request: Any) -> object:  # noqa: ANN401 - a message without stubs
        letter = _letter(request)
        if request.pubsub_name == dead_letters.PUBSUB:
            async with call.runtime.database.begin() as session:
                await dead_letters.park(session, letter, now=call.runtime.clock())
            return callbacks.TopicEventResponse()
        return callbacks.TopicEventResponse(status=_ANSWERS[await door.dispatch(call.runtime, letter)])

    @health.method("HealthCheck", from_sidecar=True)
    async def health_check(_: Call, __: object) -> object:
        return callbacks.HealthCheckResponse()

    return [questions, health]
