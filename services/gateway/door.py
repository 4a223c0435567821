"""The door of the API: everything under `/api` is found, counted, checked and forwarded here, without FastAPI."""

from contextlib import nullcontext
from typing import TypeVar

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.forwarding import address_of, forward, passed_on
from services.gateway.rates import ADDRESS, FAILED_LOGIN, Rates, Standing, item_of, key_of, network
from services.gateway.routes import ROUTES, Counted, Route, Table
from services.gateway.turns import Limits, Overloaded
from services.shared.bodies import demand_storable, read_whole
from services.shared.errors import Refusal, Unauthenticated, answer
from services.shared.identity import KeyRing, Principal
from services.shared.runtime import Runtime

_PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
_LARGEST_HEADERS = 32 * 1024
_BODY_SECONDS = 30.0
_UNAUTHORIZED = 401

Given = TypeVar("Given")


class HeadersTooLarge(Refusal):
    """The request's header fields are larger than {limit} bytes."""

    status = 431
    slug = "headers-too-large"


class ApiDoor:
    """ASGI middleware: forwards what is under `/api`; counts everything but probes; passes the rest on."""

    def __init__(self, app: ASGIApp, *, most_in_flight: int) -> None:
        """Wrap the application that serves the pages beside the API."""
        self._app = app
        self._table = Table()
        self._limits = Limits(ROUTES, most=most_in_flight)
        self._free = most_in_flight

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http" or scope["path"] in _PROBES:
            await self._app(scope, receive, send)
            return
        runtime: Runtime = scope["app"].state.runtime
        if scope["path"] == "/api" or scope["path"].startswith("/api/"):
            await self._call(scope, receive, send, runtime)
            return
        standing = await runtime.part(Rates).count(ADDRESS, network(_client(scope)))
        page = self._app if standing.refusal is None else answer(standing.refusal)
        await page(scope, receive, _telling(standing, send))

    async def _call(self, scope: Scope, receive: Receive, send: Send, runtime: Runtime) -> None:
        """A call of the API. What comes too much is sent away before it costs anything."""
        found = self._find(scope)
        if isinstance(found, Route) and (self._free <= 0 or self._limits.of(found).is_hopeless):
            standing = await _count_here(runtime.part(Rates), found, _client(scope))
            await answer(Overloaded())(scope, receive, _telling(standing, send))
            return
        self._free -= 1
        try:
            await self._answer(found, scope, receive, send, runtime)
        finally:
            self._free += 1

    async def _answer(
        self, found: Route | Refusal, scope: Scope, receive: Receive, send: Send, runtime: Runtime
    ) -> None:
        """What is wrong with a call is said once it has been counted."""
        with self._limits.of(found).coming() if isinstance(found, Route) else nullcontext():
            holder = await _holder(scope, runtime.keys)
            standing = await _count(runtime.part(Rates), found, holder, _client(scope))
        try:
            _given(standing.refusal)
            response = await self._serve(_given(found), holder, scope, receive, runtime)
        except Refusal as refusal:
            response = answer(refusal)
        await response(scope, receive, _telling(standing, send))

    def _find(self, scope: Scope) -> Route | Refusal:
        try:
            route = self._table.find(scope["method"], scope["raw_path"].decode("latin-1"))
        except Refusal as refusal:
            return refusal
        scope["route_name"] = route.path
        return route

    async def _serve(
        self, route: Route, holder: Principal | Refusal | None, scope: Scope, receive: Receive, runtime: Runtime
    ) -> Response:
        if route.needs_token and _given(holder) is None:
            raise Unauthenticated
        _demand_modest(scope)
        demand_storable(scope)
        body = await read_whole(scope, receive, limit=route.body_limit, seconds=_BODY_SECONDS)
        async with self._limits.of(route).turn():  # not before: a body that trickles in would keep others from theirs
            return await _forward(route, scope, body, runtime)


async def _forward(route: Route, scope: Scope, body: bytes, runtime: Runtime) -> Response:
    """Forward to the route's service. A login that fails is counted, so that an address cannot guess for ever."""
    rates, address = runtime.part(Rates), network(_client(scope))
    if route.counted is Counted.LOGIN:
        _given((await rates.look(FAILED_LOGIN, address)).refusal_of_more)
    response = await forward(
        runtime.sidecar,
        scope["method"],
        address_of(scope),
        headers=passed_on(scope, route.app_id, _client(scope)),
        body=body,
        seconds=route.seconds,
    )
    if route.counted is Counted.LOGIN and response.status_code == _UNAUTHORIZED:
        await rates.count(FAILED_LOGIN, address)
    return response


async def _holder(scope: Scope, keys: KeyRing) -> Principal | Refusal | None:
    """Whose token comes with the request; a refusal when it is not good, None when there is none."""
    kind, _, token = Headers(scope=scope).get("authorization", "").partition(" ")
    if kind.lower() != "bearer":
        return None
    try:
        return await keys.verify(token)
    except Refusal as refusal:
        return refusal


async def _count(rates: Rates, found: Route | Refusal, holder: Principal | Refusal | None, address: str) -> Standing:
    principal = holder if isinstance(holder, Principal) else None
    item = item_of(found if isinstance(found, Route) else None, principal)
    return await rates.count(item, key_of(item, principal, address))


async def _count_here(rates: Rates, route: Route, address: str) -> Standing:
    """Count a call that is sent away: against its address, because whose token it brings is not looked at."""
    item = item_of(route, None)
    return await rates.count_here(item, key_of(item, None, address))


def _given(found: Given | Refusal) -> Given:
    if isinstance(found, Refusal):
        raise found
    return found


def _client(scope: Scope) -> str:
    return (scope.get("client") or ("",))[0]


def _demand_modest(scope: Scope) -> None:
    size = sum(len(name) + len(value) for name, value in scope["headers"])
    if size > _LARGEST_HEADERS:
        raise HeadersTooLarge(limit=_LARGEST_HEADERS)


def _telling(standing: Standing, send: Send) -> Send:
    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message).update(standing.headers)
        await send(message)

    return told
