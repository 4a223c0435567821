"""One trace from end to end, and logs without personal data."""

import json
import re

import pytest
import structlog
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from services.shared import telemetry

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def _show(_: Request) -> Response:
    return JSONResponse({"id": telemetry.trace_id(), "out": telemetry.outgoing({"a": "b"})})


async def _fail(_: Request) -> Response:
    raise ZeroDivisionError


app = telemetry.Telemetry(
    Starlette(
        routes=[
            Route("/trace", _show, methods=["GET", "POST"]),
            Route("/fail", _fail),
            Route("/metrics", telemetry.metrics),
        ]
    )
)
client = TestClient(app, raise_server_exceptions=False)


def test_a_callers_trace_goes_on() -> None:
    shown = client.get("/trace", headers={"traceparent": PARENT}).json()

    assert shown == {"id": PARENT.split("-")[1], "out": {"a": "b", "traceparent": PARENT}}


@pytest.mark.parametrize("parent", [None, "nonsense", "00-" + "0" * 32 + "-00f067aa0ba902b7-01"])
def test_without_one_a_trace_begins(parent: str | None) -> None:
    shown = client.get("/trace", headers={"traceparent": parent} if parent else {}).json()

    assert re.fullmatch("[0-9a-f]{32}", shown["id"])
    assert shown["id"] != "0" * 32


def test_outside_a_trace_there_is_none() -> None:
    assert telemetry.traceparent() is None
    assert telemetry.trace_id() == "0" * 32


def test_requests_are_counted_by_route_and_status() -> None:
    client.get("/trace")
    client.get("/fail")

    text = client.get("/metrics").text

    assert re.search(r'request_duration_seconds_count\{method="GET",route="/fail",status="5xx"\} [1-9]', text)


def test_logs_are_json_lines_with_the_trace_and_without_personal_data(capsys: pytest.CaptureFixture[str]) -> None:
    before = structlog.get_config()
    telemetry.configure("order", "info")
    try:
        with telemetry.trace_from(PARENT):
            structlog.get_logger().info("user.registered", email="ada@example.com", user="u1")
            structlog.get_logger().debug("too quiet")
    finally:
        structlog.configure(**before)
        structlog.contextvars.clear_contextvars()

    (line,) = [json.loads(text) for text in capsys.readouterr().err.splitlines()]
    assert (line["event"], line["user"], line["email"]) == ("user.registered", "u1", "[redacted]")
    assert (line["trace_id"], line["level"]) == (PARENT.split("-")[1], "info")


async def test_other_protocols_pass_through() -> None:
    seen: list[str] = []

    async def inner(scope: object, *_: object) -> None:
        seen.append(scope["type"])  # type: ignore[index]

    await telemetry.Telemetry(inner)({"type": "lifespan"}, None, None)  # type: ignore[arg-type]

    assert seen == ["lifespan"]
