"""What goes on to a service, what comes back, and what happens when nothing does."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from starlette.types import Message

from services.gateway.forwarding import ServiceUnavailable, forward
from services.gateway.turns import FIRST
from services.shared.identity import Role
from tests.service.doors import Tokens
from tests.service.gateway.conftest import DAPR_ERROR, Open, Visitor, Wire

ID = "0198c5a2-0000-7000-8000-000000000001"


async def test_a_call_reaches_its_service_as_it_was_sent(visitor: Visitor, wire: Wire, tokens: Tokens) -> None:
    headers = tokens.headers() | {"Idempotency-Key": "k-1", "If-Match": '"3"', "Content-Type": "application/json"}

    await visitor.put(f"/api/v1/orders/{ID}?a=b%2Fc+d&&e=", content=b'{ "spaced" :1}', headers=headers)

    (seen,) = wire.seen
    assert (seen.app_id, seen.method) == ("order", "PUT")
    assert seen.address == f"/orders/{ID}?a=b%2Fc+d&&e="
    assert seen.body == b'{ "spaced" :1}'
    assert seen.headers["Idempotency-Key"] == "k-1"
    assert seen.headers["If-Match"] == '"3"'
    assert seen.headers["Authorization"] == headers["Authorization"]
    assert seen.headers["dapr-api-token"] == "api"
    assert seen.headers["X-Forwarded-For"] == "192.0.2.1"
    assert seen.headers["X-Forwarded-Proto"] == "http"
    assert seen.headers["X-Forwarded-Host"] == "shop.example"


async def test_a_webhooks_bytes_and_signature_are_untouched(visitor: Visitor, wire: Wire) -> None:
    body = '{"emoji": "é", "spaces":  [1 ,2]}\n'.encode()

    await visitor.post("/api/v1/webhooks/stripe", content=body, headers={"Stripe-Signature": "t=1,v1=abc"})

    assert wire.seen[0].body == body
    assert wire.seen[0].headers["Stripe-Signature"] == "t=1,v1=abc"
    assert "Content-Type" not in wire.seen[0].headers


async def test_the_trace_goes_on_and_what_would_steer_the_sidecar_does_not(visitor: Visitor, wire: Wire) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {
        "traceparent": f"00-{trace}-b7ad6b7169203331-01",
        "dapr-app-id": "payment",
        "dapr-caller-app-id": "order",
        "dapr-api-token": "guess",
        "Connection": "keep-alive, X-Secret",
        "X-Forwarded-For": "198.51.100.7",
        "X-Secret": "1",
        "Cookie": "a=b",
    }

    await visitor.get("/api/v1/products", headers=headers)

    (seen,) = wire.seen
    assert seen.app_id == "product"
    assert trace in seen.headers["traceparent"]
    assert seen.headers["dapr-api-token"] == "api"
    assert seen.headers["X-Forwarded-For"] == "192.0.2.1"
    assert not {"dapr-caller-app-id", "X-Secret", "Cookie"} & set(seen.headers)


async def test_a_query_beyond_ascii_is_escaped_byte_by_byte(wire: Wire, gateway: Open) -> None:
    """Not every client escapes; the server gives the bytes as they came."""
    async with gateway() as visitor:
        transport = visitor._transport  # noqa: SLF001 - a scope that no well-behaved client can send
        scope = {"type": "http", "method": "GET", "path": "/api/v1/products", "raw_path": b"/api/v1/products"}
        scope |= {"query_string": "q=lämp%20".encode(), "headers": [], "scheme": "http", "client": ("192.0.2.1", 1)}
        messages: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Message) -> None:
            messages.append(message)

        await transport.app(scope, receive, send)  # type: ignore[attr-defined]

    assert messages[0]["status"] == 200
    assert wire.seen[0].address == "/products?q=l%C3%A4mp%20"


async def test_an_answer_comes_back_with_its_useful_headers_only(visitor: Visitor, wire: Wire, tokens: Tokens) -> None:
    headers = {
        "ETag": '"1.a"',
        "Location": f"/orders/{ID}",
        "Idempotent-Replayed": "true",
        "X-Cart-Token": "t",
        "Server": "secret",
        "X-Powered-By": "secret",
        "Set-Cookie": "a=b",
    }
    wire.answer("order", "/orders", status=201, body=b"{}", headers=headers)

    answer = await visitor.post("/api/v1/orders", json={}, headers=tokens.headers())

    assert (answer.status_code, answer.content) == (201, b"{}")
    assert answer.headers["etag"] == '"1.a"'
    assert answer.headers["location"] == f"/api/v1/orders/{ID}"
    assert answer.headers["idempotent-replayed"] == "true"
    assert answer.headers["x-cart-token"] == "t"
    assert not {"server", "x-powered-by", "set-cookie"} & set(answer.headers)


@pytest.mark.parametrize("status", [304, 400, 402, 404, 409, 422, 500, 503])
async def test_what_a_service_refuses_passes_through(visitor: Visitor, wire: Wire, status: int) -> None:
    body = b"" if status == 304 else b'{"type": "its-own"}'
    wire.answer("product", "/products", status=status, body=body, content_type="application/problem+json")

    answer = await visitor.get("/api/v1/products")

    assert (answer.status_code, answer.content) == (status, body)


@pytest.mark.parametrize("status", [403, 408, 500])
async def test_what_the_sidecar_itself_says_becomes_a_problem(visitor: Visitor, wire: Wire, status: int) -> None:
    wire.answer("product", "/products", status=status, text=DAPR_ERROR, content_type="application/json")

    answer = await visitor.get("/api/v1/products")

    assert (answer.status_code, answer.json()["type"]) == (503, "service-unavailable")
    assert answer.headers["retry-after"] == "1"
    assert "no such host" not in answer.text


@pytest.mark.parametrize("status", [200, 201, 202])
async def test_a_success_without_a_word_is_none(visitor: Visitor, wire: Wire, tokens: Tokens, status: int) -> None:
    """Sidecars answer so for a service that dies while it answers: nobody knows what became of the request."""
    wire.answer("order", "/orders", status=status, body=b"")

    answer = await visitor.post("/api/v1/orders", json={}, headers=tokens.headers())

    assert (answer.status_code, answer.json()["type"]) == (503, "service-unavailable")
    assert len(wire.seen) == 1


async def test_a_success_that_has_nothing_to_say_passes_through(visitor: Visitor, wire: Wire, tokens: Tokens) -> None:
    wire.answer("user", "/users/logout", status=204)

    answer = await visitor.post("/api/v1/users/logout", json={}, headers=tokens.headers())

    assert (answer.status_code, answer.content) == (204, b"")


async def test_a_read_that_fails_at_once_is_tried_again(visitor: Visitor, wire: Wire) -> None:
    answers = iter(
        [web.Response(status=500, text=DAPR_ERROR, content_type="application/json"), web.Response(text="ok")]
    )
    wire.answers["product", "/products"] = lambda: next(answers)

    answer = await visitor.get("/api/v1/products")

    assert (answer.status_code, answer.text, len(wire.seen)) == (200, "ok", 2)


async def test_a_read_that_failed_slowly_is_not(visitor: Visitor, wire: Wire) -> None:
    """Asked without the door, whose patience is seconds longer."""

    async def silent() -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    wire.answers["product", "/products"] = silent

    with pytest.raises(ServiceUnavailable):
        await forward(
            visitor.runtime.sidecar, "GET", "/products", headers={"dapr-app-id": "product"}, body=b"", seconds=1.05
        )

    assert len(wire.seen) == 1


async def test_a_connection_that_breaks_is_a_problem_and_a_post_is_never_made_twice(
    visitor: Visitor, wire: Wire, tokens: Tokens
) -> None:
    class Dropped(web.Response):
        async def prepare(self, request: web.BaseRequest) -> None:
            assert request.transport is not None
            request.transport.abort()

    wire.answers["order", "/orders"] = Dropped

    answer = await visitor.post("/api/v1/orders", json={}, headers=tokens.headers())

    assert (answer.status_code, answer.json()["type"]) == (503, "service-unavailable")
    assert len(wire.seen) == 1


@pytest.mark.parametrize(("path", "mebibytes"), [("products", 1), ("products/x/images", 10), ("products/import", 32)])
async def test_a_body_may_be_as_large_as_its_route_allows(
    visitor: Visitor, wire: Wire, tokens: Tokens, path: str, mebibytes: int
) -> None:
    size = mebibytes * 1024 * 1024
    headers = tokens.headers(Role.STAFF)

    fits = await visitor.post(f"/api/v1/{path}", content=b"x" * size, headers=headers)
    too_large = await visitor.post(f"/api/v1/{path}", content=b"x" * (size + 1), headers=headers)

    assert fits.status_code == 200
    assert (too_large.status_code, too_large.json()["type"]) == (413, "body-too-large")
    assert [len(seen.body) for seen in wire.seen] == [size]
    assert wire.seen[0].headers["Content-Length"] == str(size)


async def test_a_body_without_a_length_is_counted_as_it_comes(visitor: Visitor, wire: Wire, tokens: Tokens) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 512 * 1024

    answer = await visitor.post("/api/v1/products", content=chunks(), headers=tokens.headers(Role.STAFF))

    assert (answer.status_code, wire.seen) == (413, [])


async def test_headers_that_are_too_large_are_refused(visitor: Visitor, wire: Wire) -> None:
    answer = await visitor.get("/api/v1/products", headers={"Idempotency-Key": "x" * 40_000})

    assert (answer.status_code, answer.json()["type"], wire.seen) == (431, "headers-too-large", [])


async def test_a_nul_in_the_query_is_malformed(visitor: Visitor, wire: Wire) -> None:
    answer = await visitor.get("/api/v1/products?q=%00")

    assert (answer.status_code, answer.json()["type"], wire.seen) == (400, "malformed", [])


async def test_more_than_can_be_served_is_sent_away_before_it_costs_anything(gateway: Open, wire: Wire) -> None:
    reached, go_on = asyncio.Event(), asyncio.Event()

    async def slow() -> web.Response:
        reached.set()
        await go_on.wait()
        return web.Response(text="ok")

    wire.answers["product", "/products"] = slow
    async with gateway(sidecart_most_in_flight=1) as visitor:
        first = asyncio.create_task(visitor.get("/api/v1/products"))
        await reached.wait()
        refused = await visitor.get("/api/v1/orders", headers=Tokens().headers())
        go_on.set()
        served = [await first, await visitor.get("/api/v1/categories")]

    assert (refused.status_code, refused.json()["type"]) == (503, "overloaded")  # its forged token was not looked at
    assert 1 <= int(refused.headers["retry-after"]) <= 4
    assert (refused.headers["ratelimit-limit"], refused.headers["ratelimit-remaining"]) == ("1200", "1199")
    assert [answer.status_code for answer in served] == [200, 200]
    assert served[1].headers["ratelimit-remaining"] == "1198"  # Redis was not asked to count what was refused


async def test_a_service_that_hangs_keeps_nobody_from_another(gateway: Open, wire: Wire) -> None:
    hanging, full, go_on = 0, asyncio.Event(), asyncio.Event()

    async def hang() -> web.Response:
        nonlocal hanging
        hanging += 1
        if hanging == FIRST:
            full.set()
        await go_on.wait()
        return web.Response(text="ok")

    wire.answers["order", "/cart"] = hang
    async with gateway(sidecart_most_in_flight=200) as visitor:
        carts = [asyncio.create_task(visitor.get("/api/v1/cart")) for _ in range(50)]
        await full.wait()
        read = await visitor.get("/api/v1/products")
        at_once = hanging
        go_on.set()
        served = await asyncio.gather(*carts)

    assert read.status_code == 200
    assert at_once == FIRST
    assert {answer.status_code for answer in served} <= {200, 503}


async def test_every_problem_is_a_problem_document_with_a_trace_id(visitor: Visitor) -> None:
    answer = await visitor.get("/api/v1/nothing")

    problem = answer.json()
    assert answer.headers["content-type"] == "application/problem+json"
    assert set(problem) == {"type", "title", "status", "detail", "trace_id"}
    assert int(problem["trace_id"], 16) != 0


async def test_every_answer_tells_browsers_to_be_careful(visitor: Visitor, wire: Wire) -> None:
    wire.answer("product", "/products", body=b"{}", headers={"ETag": '"1"'})

    answers = [await visitor.get(path) for path in ("/api/v1/products", "/api/v1/nothing", "/healthz", "/docs", "/x")]

    assert {answer.headers["x-content-type-options"] for answer in answers} == {"nosniff"}
    assert all("content-security-policy" in answer.headers for answer in answers)
    assert answers[0].headers["cache-control"] == "no-cache"
    assert answers[1].headers["cache-control"] == "no-store"
    assert "strict-transport-security" not in answers[0].headers


async def test_over_https_browsers_are_told_to_stay_there(gateway: Open) -> None:
    async with gateway() as visitor:
        answer = await visitor.get("https://shop.example/healthz")

    assert answer.headers["strict-transport-security"] == "max-age=31536000"
