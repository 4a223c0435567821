"""Logs, traces and metrics: one trace id from the gateway to the last consumer, in every line and every problem."""

import logging
import secrets
import sys
import time
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from typing import Any

import structlog
from opentelemetry import context, trace
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from prometheus_client import CONTENT_TYPE_LATEST, Counter, Histogram, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_propagator = TraceContextTextMapPropagator()

REQUESTS = Histogram(
    "http_server_request_duration_seconds",
    "Requests by route, method and status class, in seconds.",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
EVENTS = Counter("events_handled_total", "Events by type and by how they ended at the event door.", ["type", "answer"])
PUBLISHED = Counter("outbox_published_total", "Outbox rows published, by topic.", ["topic"])
MISSED = Counter("facts_missed_total", "Facts that never came and were asked for again, by topic.", ["topic"])
TIMER_FAILURES = Counter("timer_failures_total", "Steps of a timer that failed, by timer.", ["timer"])

_QUIET = frozenset({"/healthz", "/readyz", "/metrics"})
_PERSONAL = frozenset({"email", "password", "address", "shipping_address", "token", "authorization", "name"})


def configure(app_id: str, level: str) -> None:
    """Write structured logs to standard error, one JSON object a line, personal data redacted."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            _with_trace,
            _redacted,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(app=app_id)


def _with_trace(_: object, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    line["trace_id"] = trace_id()
    return line


def _redacted(_: object, __: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    line.update({key: "[redacted]" for key in line if key in _PERSONAL})
    return line


def trace_id() -> str:
    """The current trace's id in hexadecimal; zeros outside a trace."""
    return trace.format_trace_id(trace.get_current_span().get_span_context().trace_id)


def traceparent() -> str | None:
    """The current W3C `traceparent`, to be kept in the outbox or sent along; None outside a trace."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get("traceparent")


def outgoing(headers: Mapping[str, str] | None = None) -> dict[str, str]:
    """These headers plus the current trace's."""
    carrier = dict(headers or {})
    _propagator.inject(carrier)
    return carrier


@contextmanager
def trace_from(parent: str | None) -> Iterator[None]:
    """Continue the trace that a caller sent; begin one when it sent none or nonsense."""
    found = _propagator.extract({"traceparent": parent} if parent else {}, context=context.Context())
    if not trace.get_current_span(found).get_span_context().is_valid:
        fresh = trace.SpanContext(
            secrets.randbits(128), secrets.randbits(64), is_remote=False, trace_flags=trace.TraceFlags(1)
        )
        found = trace.set_span_in_context(trace.NonRecordingSpan(fresh), found)
    token = context.attach(found)
    try:
        yield
    finally:
        context.detach(token)


class Telemetry:
    """ASGI middleware: the trace, a duration histogram per route, a log line for every change and every failure."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500

        async def observed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        parent = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"traceparent"), None)
        began = time.perf_counter()
        with trace_from(parent):
            try:
                await self._app(scope, receive, observed)
            finally:
                _record(scope, status, time.perf_counter() - began)


def _record(scope: Scope, status: int, seconds: float) -> None:
    route = getattr(scope.get("route"), "path", None) or scope.get("route_name") or "unmatched"
    REQUESTS.labels(scope["method"], route, f"{status // 100}xx").observe(seconds)
    is_routine = scope["method"] == "GET" or scope["path"].startswith(("/events/", "/internal/facts"))
    if scope["path"] in _QUIET or (is_routine and status < 500):  # noqa: PLR2004 - server errors begin here
        return
    structlog.get_logger().info(
        "request", method=scope["method"], route=route, status=status, milliseconds=round(seconds * 1000, 1)
    )


async def metrics(_: Request) -> Response:
    """`GET /metrics` in the Prometheus text format."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)
