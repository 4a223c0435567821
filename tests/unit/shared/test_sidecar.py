"""The sidecar's client, against a server on loopback that answers as Dapr's HTTP API does; and its double."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import BaseModel

from services.shared import telemetry
from services.shared.sidecar import BatchRefused, CallRefused, Letter, Sidecar, SidecarAway
from services.shared.sidecar_double import SidecarDouble, refused


class Lamp(BaseModel):
    watts: int


Handler = Callable[[web.Request], Any]


@asynccontextmanager
async def sidecar_that(answer: Handler) -> AsyncIterator[Sidecar]:
    """A client of a sidecar that answers everything like this."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(app) as server:
        sidecar = Sidecar(http_port=server.port or 0, grpc_port=1, api_token="api-token")
        await sidecar.open()
        try:
            yield sidecar
        finally:
            await sidecar.close()


def always(status: int, body: Any = None, **headers: str) -> Handler:
    async def answer(_: web.Request) -> web.Response:
        return web.json_response(body, status=status, headers=headers)

    return answer


LETTERS = [
    Letter(entry_id=str(number), partition_key="k", cloud_event=json.dumps({"id": str(number)}).encode())
    for number in (1, 2)
]


async def test_a_call_carries_the_callee_the_token_and_the_trace() -> None:
    seen: list[tuple[Any, ...]] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append((request.method, request.path, request.headers.copy(), await request.json()))
        return web.json_response({"watts": 60})

    async with sidecar_that(answer) as sidecar:
        with telemetry.trace_from(None):
            lamp = await sidecar.call("lamps", "POST", "/lamps", Lamp, body=Lamp(watts=40), token="t")
            trace = telemetry.trace_id()

    ((method, path, headers, body),) = seen
    assert (method, path, body, lamp) == ("POST", "/lamps", {"watts": 40}, Lamp(watts=60))
    assert (headers["dapr-app-id"], headers["dapr-api-token"], headers["authorization"]) == (
        "lamps",
        "api-token",
        "Bearer t",
    )
    assert headers["traceparent"].split("-")[1] == trace


async def test_a_refusal_is_told_with_its_slug() -> None:
    async with sidecar_that(always(409, {"type": "lamp-is-broken"})) as sidecar:
        with pytest.raises(CallRefused) as refusal:
            await sidecar.call("lamps", "GET", "/", Lamp)

    assert (refusal.value.status, refusal.value.slug) == (409, "lamp-is-broken")


async def test_a_refusal_that_is_no_problem_document_is_still_one() -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=403, body=b"<html>")

    async with sidecar_that(answer) as sidecar:
        with pytest.raises(CallRefused, match="403"):
            await sidecar.call("lamps", "GET", "/", Lamp)


@pytest.mark.parametrize(("repeatable", "tries"), [(True, 3), (False, 1)])
async def test_what_may_be_repeated_is_tried_three_times(*, repeatable: bool, tries: int) -> None:
    count = 0

    async def answer(_: web.Request) -> web.Response:
        nonlocal count
        count += 1
        return web.json_response({"errorCode": "ERR_DIRECT_INVOKE"}, status=500)

    async with sidecar_that(answer) as sidecar:
        with pytest.raises(SidecarAway):
            await sidecar.call("lamps", "GET", "/", Lamp, repeatable=repeatable)

    assert count == tries


async def test_a_success_without_a_word_is_none() -> None:
    """Sidecars answer so for a service that dies while it answers."""
    answers = iter([web.Response(status=200), web.json_response({"watts": 60})])

    async def answer(_: web.Request) -> web.Response:
        return next(answers)

    async with sidecar_that(answer) as sidecar:
        lamp = await sidecar.call("lamps", "GET", "/", Lamp)

    assert lamp == Lamp(watts=60)


async def test_nobody_there_and_no_answer_in_time_are_both_away() -> None:
    async def never(_: web.Request) -> web.Response:
        await asyncio.sleep(60)
        raise AssertionError

    gone = Sidecar(http_port=1, grpc_port=1, api_token="")
    await gone.open()
    with pytest.raises(SidecarAway):
        await gone.call("lamps", "GET", "/", Lamp, repeatable=False)
    with pytest.raises(SidecarAway):
        await gone.publish("lamps", LETTERS)
    with pytest.raises(SidecarAway):
        await gone.load_state("k")
    assert not await gone.is_ready()
    await gone.close()
    async with sidecar_that(never) as slow:
        with pytest.raises(SidecarAway):
            await slow.call("lamps", "GET", "/", Lamp, repeatable=False, seconds=0.05)


async def test_a_session_that_is_not_open_is_a_mistake_of_ours() -> None:
    closed = Sidecar(http_port=1, grpc_port=1, api_token="")
    await closed.close()

    with pytest.raises(RuntimeError):
        _ = closed.session


async def test_the_wait_for_the_sidecar_ends_when_it_is_up() -> None:
    answers = iter([500, 500, 204])

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=next(answers))

    async with sidecar_that(answer) as sidecar:
        await sidecar.wait_until_ready(5)

    async with sidecar_that(always(500)) as sidecar:
        with pytest.raises(TimeoutError):
            await sidecar.wait_until_ready(0.1)


@pytest.mark.parametrize(
    ("status", "body", "went"),
    [
        (204, None, {"1", "2"}),
        (500, {"failedEntries": [{"entryId": "1", "error": "no"}]}, {"2"}),
        (500, {"failedEntries": [{"entryId": "1"}, {"entryId": "2"}]}, set()),
    ],
)
async def test_a_bulk_publish_tells_what_the_broker_has(status: int, body: Any, went: set[str]) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, body=json.dumps(body).encode() if body else b"")

    async with sidecar_that(answer) as sidecar:
        assert await sidecar.publish("lamps", LETTERS) == went


@pytest.mark.parametrize(
    ("status", "body"),
    [(403, {"failedEntries": []}), (404, {"errorCode": "ERR_PUBSUB_NOT_FOUND"}), (500, None)],
)
async def test_a_batch_that_is_refused_without_a_reason_in_it_is_told_from_one_that_the_broker_did_not_take(
    status: int, body: Any
) -> None:
    async with sidecar_that(always(status, body)) as sidecar:
        with pytest.raises(BatchRefused):
            await sidecar.publish("lamps", LETTERS)


async def test_a_batch_is_sent_as_dapr_wants_it() -> None:
    seen: list[Any] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append((request.path, request.content_type, await request.json()))
        return web.Response(status=204)

    async with sidecar_that(answer) as sidecar:
        await sidecar.publish("lamps", LETTERS)

    ((path, content_type, entries),) = seen
    assert (path, content_type) == ("/v1.0/publish/bulk/events/lamps", "application/json")
    assert entries == [
        {
            "entryId": number,
            "contentType": "application/cloudevents+json",
            "metadata": {"partitionKey": "k"},
            "event": {"id": number},
        }
        for number in ("1", "2")
    ]


async def test_secrets_come_as_a_flat_map() -> None:
    async with sidecar_that(always(200, {"a": {"a": "1"}, "b": {"b": "2"}})) as sidecar:
        assert await sidecar.secrets() == {"a": "1", "b": "2"}
    async with sidecar_that(always(403, {})) as sidecar:
        with pytest.raises(SidecarAway):
            await sidecar.secrets()


async def test_a_binding_that_does_not_take_it_is_away() -> None:
    async with sidecar_that(always(204)) as sidecar:
        await sidecar.invoke_binding("email", "create", "<p>", {"emailTo": "a@example.com"})
    async with sidecar_that(always(500, {})) as sidecar:
        with pytest.raises(SidecarAway):
            await sidecar.invoke_binding("email", "create", "<p>", {})


class StateServer:
    """First-write ETags as Dapr's Redis state store has them."""

    def __init__(self) -> None:
        self.values: dict[str, tuple[Any, int]] = {}

    async def answer(self, request: web.Request) -> web.Response:
        if request.method == "GET":
            value, version = self.values.get(request.path.rsplit("/", 1)[1], (None, 0))
            return web.json_response(value, headers={"ETag": str(version)}) if version else web.Response(status=204)
        (item,) = await request.json()
        _, version = self.values.get(item["key"], (None, 0))
        if item["etag"] != str(version):
            return web.json_response({"errorCode": "ERR_STATE_SAVE", "message": "possible etag mismatch"}, status=409)
        self.values[item["key"]] = (item["value"], version + 1)
        return web.Response(status=204)


@pytest.fixture(params=["real", "double"])
async def state(request: pytest.FixtureRequest) -> AsyncIterator[Sidecar]:
    if request.param == "double":
        yield SidecarDouble()
        return
    async with sidecar_that(StateServer().answer) as sidecar:
        yield sidecar


async def test_the_first_write_of_a_state_wins(state: Sidecar) -> None:
    empty = await state.load_state("cart")
    assert (empty.value, empty.etag) == (None, None)
    assert await state.save_state("cart", {"n": 1}, etag=None, seconds_to_live=60)
    assert not await state.save_state("cart", {"n": 2}, etag=None, seconds_to_live=60)
    loaded = await state.load_state("cart")
    assert loaded.value == {"n": 1}
    assert await state.save_state("cart", {"n": 3}, etag=loaded.etag, seconds_to_live=60)
    assert not await state.save_state("cart", {"n": 4}, etag=loaded.etag, seconds_to_live=60)
    assert (await state.load_state("cart")).value == {"n": 3}


async def test_a_state_store_that_fails_is_away() -> None:
    async with sidecar_that(always(500, {"errorCode": "ERR_STATE_SAVE"})) as sidecar:
        with pytest.raises(SidecarAway):
            await sidecar.save_state("cart", 1, etag=None, seconds_to_live=60)
        with pytest.raises(SidecarAway):
            await sidecar.load_state("cart")


async def test_the_double_refuses_and_is_away_as_told() -> None:
    double = SidecarDouble()
    double.reply("lamps", "GET", "/", lambda _: Lamp(watts=5))
    double.reply("lamps", "GET", "/broken", refused(409, "lamp-is-broken"))

    assert await double.call("lamps", "GET", "/", Lamp) == Lamp(watts=5)
    with pytest.raises(CallRefused, match="lamp-is-broken"):
        await double.call("lamps", "GET", "/broken", Lamp)
    with pytest.raises(SidecarAway):
        await double.call("unknown", "GET", "/", Lamp)
    assert await double.publish("lamps", LETTERS) == {"1", "2"}
    await double.invoke_binding("email", "create", "x", {})
    assert await double.is_ready()
    double.is_away = True
    for failing in (
        double.call("lamps", "GET", "/", Lamp),
        double.publish("lamps", LETTERS),
        double.load_state("k"),
        double.save_state("k", 1, etag=None, seconds_to_live=1),
        double.invoke_binding("email", "create", "x", {}),
    ):
        with pytest.raises(SidecarAway):
            await failing
    assert not await double.is_ready()
