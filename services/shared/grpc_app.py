"""An application that speaks gRPC: its services, its event door and its timers, wired as lists.

The sidecar asks such an application for its subscriptions and its health, and brings it events, by gRPC too.
"""

import asyncio
import signal
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
import uvloop
from dapr.proto.common.v1.common_pb2 import InvokeResponse
from dapr.proto.runtime.v1 import appcallback_pb2 as callbacks
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.json_format import MessageToDict

from services.shared import catching_up, dead_letters, facts, service
from services.shared.grpc_door import ANYONE, SIDECAR, Call, GrpcService
from services.shared.pubsub import Answer, EventDoor, read_json
from services.shared.runtime import Runtime, Start
from services.shared.settings import Settings
from services.shared.timers import Timer

GRACE_SECONDS = 20.0
_OPTIONS = (
    ("grpc.so_reuseport", 0),
    ("grpc.max_metadata_size", 64 * 1024),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5_000),
)
"""A taken port is an error; large access tokens pass; the sidecar may ping an idle connection."""
_STATUSES = {
    Answer.SUCCESS: callbacks.TopicEventResponse.SUCCESS,
    Answer.RETRY: callbacks.TopicEventResponse.RETRY,
    Answer.DROP: callbacks.TopicEventResponse.DROP,
}


@dataclass(frozen=True, kw_only=True)
class GrpcApp:
    """A service behind its sidecar."""

    app_id: str
    start: Start
    settings: Settings
    services: Sequence[GrpcService]
    events: EventDoor
    timers: Sequence[Timer] = ()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[tuple[Runtime, int]]:
        """Serve while the block runs; gives the runtime and the port. Calls that have begun are finished at its end."""
        timers = [*self.timers, catching_up.timer(self.events, seconds=self.settings.sidecart_catch_up_seconds)]
        async with self.start() as runtime, service.background(runtime, self.events, timers):
            server = grpc.aio.server(options=_OPTIONS)
            for one in (*self.services, *_callbacks(self.app_id, self.events)):
                one.add_to(server, runtime, token=self.settings.app_api_token.get_secret_value())
            port = server.add_insecure_port(f"{self.settings.sidecart_host}:{self.settings.app_port}")
            await server.start()
            try:
                yield runtime, port
            finally:
                await server.stop(GRACE_SECONDS)

    async def until_stopped(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        async with self.serving():
            await stopped.wait()


def run(app: GrpcApp) -> None:
    """Serve until SIGTERM."""
    service.prepare_process(app.app_id, app.settings)
    uvloop.run(app.until_stopped())


def _callbacks(app_id: str, door: EventDoor) -> list[GrpcService]:
    """What a sidecar asks of every application; its questions come without the token, events with it."""
    services = callbacks.DESCRIPTOR.services_by_name
    questions, health = GrpcService(services["AppCallback"]), GrpcService(services["AppCallbackHealthCheck"])

    @questions.method("ListTopicSubscriptions", ANYONE)
    async def list_topic_subscriptions(_: Call, __: object) -> object:
        found = service.subscriptions(app_id, door)
        return callbacks.ListTopicSubscriptionsResponse(subscriptions=[_subscription(**one) for one in found])

    @questions.method("ListInputBindings", ANYONE)
    async def list_input_bindings(_: Call, __: object) -> object:
        return callbacks.ListInputBindingsResponse()

    @questions.method("OnInvoke", SIDECAR)
    async def on_invoke(call: Call, request: Any) -> object:  # noqa: ANN401 - a message
        path = f"/{request.method.lstrip('/')}"
        answer = await facts.answer(call.runtime.database, path, request.data.value)
        return InvokeResponse(data=AnyMessage(value=answer), content_type="application/json")

    @questions.method("OnTopicEvent", SIDECAR)
    async def on_topic_event(call: Call, request: Any) -> object:  # noqa: ANN401 - a message
        letter = _letter(request)
        if request.pubsub_name == dead_letters.PUBSUB:
            await dead_letters.receive(call.runtime, letter)
            return callbacks.TopicEventResponse()
        return callbacks.TopicEventResponse(status=_STATUSES[await door.dispatch(call.runtime, letter)])

    @health.method("HealthCheck", ANYONE)
    async def health_check(_: Call, __: object) -> object:
        return callbacks.HealthCheckResponse()

    return [questions, health]


def _subscription(**one: str) -> callbacks.TopicSubscription:
    return callbacks.TopicSubscription(
        pubsub_name=one["pubsubname"],
        topic=one["topic"],
        routes=callbacks.TopicRoutes(default=one["route"]),
        dead_letter_topic=one.get("deadLetterTopic", ""),
    )


def _letter(request: Any) -> dict[str, Any]:  # noqa: ANN401 - a message
    """The CloudEvent that the sidecar has taken apart; data that is not JSON is kept as it came."""
    envelope = {"id": request.id, "source": request.source, "type": request.type, "topic": request.topic}
    try:
        data = read_json(request.data)
    except (ValueError, RecursionError):
        data = request.data.hex()
    return MessageToDict(request.extensions) | envelope | {"data": data}
