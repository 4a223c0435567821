"""The application factory: a service is its routers, its event door and its timers, wired as lists."""

import asyncio
import gc
import hmac
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import uvicorn
from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from services.contracts.events import Topic
from services.shared import catching_up, dead_letters, errors, facts, failpoints, identity, inbox, outbox, telemetry
from services.shared.bodies import MIB, BodyLimits
from services.shared.pubsub import Answer, EventDoor, read_json
from services.shared.relay import Relay
from services.shared.runtime import Runtime, Start
from services.shared.settings import Settings
from services.shared.sidecar import PUBSUB
from services.shared.timers import Timer

Lifespan = Callable[[Runtime], AbstractAsyncContextManager[None]]
"""Opens what only this service has and adds it to the runtime; closed when the service stops."""

PRUNED_AT_ONCE = 5_000
"""Rows that one transaction deletes at most: few enough to end long before the statement timeout."""

_OPEN_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
_BULK = {"enabled": True, "maxMessagesCount": 32, "maxAwaitDurationMs": 20}
"""As many as the broker component has workers (`concurrency`): a batch that can never fill waits out its time."""


def create_app(  # noqa: PLR0913 - a service has that many kinds of parts
    app_id: str,
    *,
    start: Start,
    settings: Settings,
    routers: Sequence[APIRouter],
    events: EventDoor | None = None,
    timers: Sequence[Timer] = (),
    lifespan: Lifespan | None = None,
    body_limits: Mapping[str, int] | None = None,
) -> FastAPI:
    """A service behind its sidecar.

    :raises EndpointUndeclared: an endpoint does not say who may call it.
    """
    door = events or EventDoor()
    own_timers = [*timers, catching_up.timer(door, seconds=settings.sidecart_catch_up_seconds)]

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            app.state.runtime = await stack.enter_async_context(start())
            if lifespan is not None:
                await stack.enter_async_context(lifespan(app.state.runtime))
            await stack.enter_async_context(background(app.state.runtime, door, own_timers))
            yield

    app = FastAPI(
        title=f"Sidecart {app_id}",
        lifespan=life,
        docs_url=None,
        generate_unique_id_function=lambda route: route.name,
        redoc_url=None,
        redirect_slashes=False,
        middleware=[
            Middleware(telemetry.Telemetry),
            Middleware(AppToken, token=settings.app_api_token.get_secret_value()),
            Middleware(BodyLimits, limits={"": MIB} | dict(body_limits or {})),
        ],
    )
    errors.install(app)
    for router in (*routers, facts.router):
        app.include_router(router)
    identity.demand_declared(app)
    _add_plumbing(app, app_id, door)
    return app


def run(app: FastAPI, settings: Settings, app_id: str, **differently: Any) -> None:  # noqa: ANN401 - uvicorn's own options
    """Serve until SIGTERM; connections to the sidecar are kept longer than the sidecar keeps them.

    :param differently: options of uvicorn that this application wants otherwise.
    """
    prepare_process(app_id, settings)
    usually: dict[str, Any] = {
        "host": settings.sidecart_host,
        "port": settings.app_port,
        "loop": "uvloop",
        "http": "httptools",
        "log_level": "warning",
        "access_log": False,
        "timeout_keep_alive": 75,
        "timeout_graceful_shutdown": 20,
        "server_header": False,
        "date_header": False,
    }
    uvicorn.run(app, **usually | differently)


def prepare_process(app_id: str, settings: Settings) -> None:
    """What every service does before it serves: its logs, its failpoints, and garbage collected seldom.

    What was imported by then lives as long as the process, so it is never looked at again.
    """
    telemetry.configure(app_id, settings.sidecart_log_level)
    failpoints.watch(settings.sidecart_failpoints, app_id)
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)


@asynccontextmanager
async def background(runtime: Runtime, door: EventDoor, timers: Sequence[Timer]) -> AsyncIterator[None]:
    """Run the relay, the dead letters and the timers of a service that has a database, while the block runs."""
    if not (runtime.databases and runtime.works_in_background):
        yield
        return
    relay = Relay(runtime.database.url, runtime.sidecar, source=runtime.app_id)
    runtime.database.after_facts = relay.nudge
    all_timers = [*timers, *_housekeeping(door)]
    tasks = [asyncio.create_task(timer.run(runtime)) for timer in all_timers]
    tasks.append(asyncio.create_task(relay.run()))
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await relay.close()


def _housekeeping(door: EventDoor) -> list[Timer]:
    async def dispatch(runtime: Runtime) -> bool:
        return await dead_letters.dispatch_one(runtime, door)

    return [
        Timer(name="dead-letters", seconds=1, step=dispatch),
        Timer(name="prune-facts", seconds=3600, step=prune_facts),
        Timer(name="prune-inbox", seconds=3600, step=prune_inbox),
    ]


async def prune_facts(runtime: Runtime) -> bool:
    """Forget some facts that were published 7 days ago and need not be kept for ever; whether there may be more."""
    async with runtime.database.begin() as session:
        before = runtime.clock() - timedelta(days=7)
        return await outbox.prune(session, before=before, limit=PRUNED_AT_ONCE) == PRUNED_AT_ONCE


async def prune_inbox(runtime: Runtime) -> bool:
    """Forget some events that were handled 30 days ago; answers whether there may be more."""
    async with runtime.database.begin() as session:
        before = runtime.clock() - timedelta(days=30)
        return await inbox.prune(session, before=before, limit=PRUNED_AT_ONCE) == PRUNED_AT_ONCE


class AppToken:
    """ASGI middleware that lets only this service's own sidecar in (it sends the token that both were given)."""

    def __init__(self, app: ASGIApp, *, token: str) -> None:
        """Wrap an application."""
        self._app = app
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "http" and scope["path"] not in _OPEN_PATHS:
            given = next((value for name, value in scope["headers"] if name == b"dapr-api-token"), b"")
            if not hmac.compare_digest(given, self._token):
                refusal = errors.problem(401, "unauthenticated", "Calls come through the sidecar.")
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _add_plumbing(app: FastAPI, app_id: str, door: EventDoor) -> None:
    async def healthz(_: Request) -> Response:
        return Response(b'{"status":"ok"}', media_type="application/json")

    async def readyz(request: Request) -> Response:
        away = await what_is_away(request.app.state.runtime)
        if away:
            detail = f"Away: {', '.join(away)}."
            return errors.problem(503, "not-ready", detail, extra={"away": away}, headers={"Retry-After": "1"})
        return JSONResponse({"status": "ready"})

    async def subscribe(_: Request) -> Response:
        return JSONResponse(subscriptions(app_id, door))

    app.add_route("/healthz", healthz)
    app.add_route("/readyz", readyz)
    app.add_route("/metrics", telemetry.metrics)
    app.add_route("/dapr/subscribe", subscribe)
    app.add_route("/events/{topic}", _deliver(door), methods=["POST"])
    app.add_route("/dead-letters", _park, methods=["POST"])


async def what_is_away(runtime: Runtime) -> list[str]:
    """The names of what this service needs and cannot reach."""
    away = [] if await runtime.sidecar.is_ready() else ["sidecar"]
    for database in runtime.databases:
        try:
            await database.ping()
        except errors.STORE_IS_AWAY:
            away.append("postgres")
    return away


def subscriptions(app_id: str, door: EventDoor) -> list[dict[str, Any]]:
    """What the sidecar asks for: every topic with a handler, and this application's dead letters."""
    dead = dead_letters.topic_of(app_id)
    found: list[dict[str, Any]] = [
        {"pubsubname": PUBSUB, "topic": topic, "route": f"/events/{topic}", "deadLetterTopic": dead}
        | ({"bulkSubscribe": _BULK} if door.is_bulk(topic) else {})
        for topic in door.topics
    ]
    return [*found, {"pubsubname": dead_letters.PUBSUB, "topic": dead, "route": "/dead-letters"}] if found else []


def _deliver(door: EventDoor) -> Callable[[Request], Any]:
    async def deliver(request: Request) -> Response:
        letter, runtime = _letter(await request.body()), request.app.state.runtime
        if letter is None:
            return _told(Answer.DROP)
        if door.is_bulk(Topic(request.path_params["topic"])) and "entries" in letter:
            entries = letter["entries"]
            letters = [entry["event"] if isinstance(entry["event"], dict) else {} for entry in entries]
            answers = await door.dispatch_bulk(runtime, letters)
            told = [
                {"entryId": entry["entryId"], "status": answer} for entry, answer in zip(entries, answers, strict=True)
            ]
            return JSONResponse({"statuses": told})
        return _told(await door.dispatch(runtime, letter))

    return deliver


async def _park(request: Request) -> Response:
    body = await request.body()
    await dead_letters.receive(request.app.state.runtime, _letter(body) or {"unparsable": body.hex()})
    return _told(Answer.SUCCESS)


def _letter(body: bytes) -> dict[str, Any] | None:
    try:
        found = read_json(body)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _told(answer: Answer) -> Response:
    """Only what was handled is a success: a sidecar takes one whose body is cut off, because we died, for «handled».

    Not found is what it takes for «drop», whatever the body says.
    """
    return JSONResponse({"status": answer}, {Answer.RETRY: 503, Answer.DROP: 404}.get(answer, 200))
