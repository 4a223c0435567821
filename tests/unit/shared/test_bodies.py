"""Bodies have a size, a deadline and only text that can be stored."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import httpx2
import pytest
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message

from services.shared.bodies import Body, BodyLimits


class Note(Body):
    text: str
    tags: tuple[str, ...] = ()
    names: dict[str, str] | None = None


async def _echo(request: Request) -> Response:
    return Response(await request.body())


def client(seconds: float = 5) -> httpx2.AsyncClient:
    app = Starlette(routes=[Route("/{path:path}", _echo, methods=["POST"])])
    limited = BodyLimits(app, limits={"": 10, "/large": 20}, seconds=seconds)
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(limited), base_url="http://service")


@pytest.mark.parametrize(
    ("path", "size", "status"), [("/x", 10, 200), ("/x", 11, 413), ("/large", 20, 200), ("/large", 21, 413)]
)
async def test_a_body_may_be_as_large_as_its_path_allows(path: str, size: int, status: int) -> None:
    async with client() as http:
        answer = await http.post(path, content=b"x" * size)

    assert answer.status_code == status
    assert answer.content == b"x" * size or answer.json()["type"] == "body-too-large"


async def test_a_body_without_a_declared_length_is_counted() -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"xxxx"

    async with client() as http:
        answer = await http.post("/x", content=chunks())

    assert answer.status_code == 413


async def test_a_body_that_trickles_is_given_up() -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        sent.append(message)

    app = BodyLimits(Starlette(), limits={"": 10}, seconds=0.01)
    scope = {"type": "http", "path": "/x", "query_string": b"", "headers": [], "method": "POST"}
    await app(scope, receive, send)

    assert sent[0]["status"] == 408


async def test_a_client_that_leaves_is_heard_after_the_body() -> None:
    heard: list[Message] = []

    async def app(_scope: object, receive: object, _send: object) -> None:
        heard.extend([await receive(), await receive()])  # type: ignore[operator]

    messages: Iterator[Message] = iter([{"type": "http.request", "body": b"x"}, {"type": "http.disconnect"}])

    async def receive() -> Message:
        return next(messages)

    async def send(_: Message) -> None:
        raise AssertionError

    await BodyLimits(app, limits={"": 10})(
        {"type": "http", "path": "/", "query_string": b"", "headers": []}, receive, send
    )

    assert [message["type"] for message in heard] == ["http.request", "http.disconnect"]


async def test_a_nul_in_the_address_is_malformed() -> None:
    async with client() as http:
        assert (await http.post("/x?q=%00")).status_code == 400
        assert (await http.post("/x%00")).status_code == 400


async def test_other_protocols_pass_through() -> None:
    seen: list[str] = []

    async def app(scope: object, *_: object) -> None:
        seen.append(scope["type"])  # type: ignore[index]

    await BodyLimits(app, limits={"": 1})({"type": "lifespan"}, None, None)  # type: ignore[arg-type]

    assert seen == ["lifespan"]


@pytest.mark.parametrize(
    "value",
    [
        {"text": "a\x00b"},
        {"text": "\ud800"},
        {"text": "x", "tags": ["\x00"]},
        {"text": "x", "names": {"\x00": ""}},
        {"text": "x", "more": 1},
    ],
)
def test_text_that_cannot_be_stored_and_unknown_fields_are_refused(value: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Note.model_validate(value)


def test_a_body_that_is_nested_too_deep_to_be_looked_through_is_refused() -> None:
    nested: list[object] = []
    for _ in range(2000):
        nested = [nested]

    with pytest.raises(ValidationError, match="nested too deep"):
        Note.model_validate({"text": nested})


def test_other_text_is_welcome() -> None:
    assert Note(text="Ωmega 🙂", tags=["a"], names={"b": "c"}).text == "Ωmega 🙂"


async def test_a_body_that_ends_early_is_not_taken_for_a_whole_one() -> None:
    messages: Iterator[Message] = iter(
        [{"type": "http.request", "body": b"half", "more_body": True}, {"type": "http.disconnect"}]
    )
    sent: list[Message] = []

    async def receive() -> Message:
        return next(messages)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "path": "/x", "query_string": b"", "headers": [], "method": "POST"}
    await BodyLimits(Starlette(), limits={"": 10})(scope, receive, send)

    assert sent[0]["status"] == 400
