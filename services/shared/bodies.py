"""Request bodies: a size limit and a deadline at the wire, strictness and storable text in the model."""

import asyncio
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.shared.errors import Malformed, Refusal, answer

MIB = 1024 * 1024


class Body(BaseModel):
    """A request's body: unknown fields are refused, and so is text that cannot be stored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, data: Any) -> Any:  # noqa: ANN401 - a validator sees anything
        try:
            check_text(data)
        except RecursionError as error:
            message = "it is nested too deep"
            raise ValueError(message) from error
        return data


def check_text(data: object) -> None:
    """Look through JSON for text that PostgreSQL cannot keep.

    :raises ValueError: there is some.
    """
    if isinstance(data, str):
        if "\x00" in data or any("\ud800" <= character <= "\udfff" for character in data):
            message = "text must not hold NUL or unpaired surrogates"
            raise ValueError(message)
    elif isinstance(data, Mapping):
        for key, value in data.items():
            check_text(key)
            check_text(value)
    elif isinstance(data, list):
        for value in data:
            check_text(value)


class BodyTooLarge(Refusal):
    """The body is larger than {limit} bytes."""

    status = 413


class RequestTimeout(Refusal):
    """The body did not arrive within {seconds:g} seconds."""

    status = 408


class BodyIncomplete(Malformed):
    """The connection ended in the middle of the body."""

    slug = "malformed"


class AddressUnstorable(Malformed):
    """The address holds a NUL character."""

    slug = "malformed"


class BodyLimits:
    """ASGI middleware that reads the body whole, within a size and a deadline, before anything else looks at it.

    The server itself would hold a trickled body open for ever (it has no such deadline).
    """

    def __init__(self, app: ASGIApp, *, limits: Mapping[str, int], seconds: float = 30.0) -> None:
        """`limits`: bytes allowed by path prefix, where `""` is everything else; `seconds` for the whole body."""
        self._app = app
        self._limits = sorted(limits.items(), key=lambda item: len(item[0]), reverse=True)
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            demand_storable(scope)
            body = await read_whole(scope, receive, limit=self._limit(scope["path"]), seconds=self._seconds)
        except Refusal as refusal:
            await answer(refusal)(scope, receive, send)
            return
        await self._app(scope, _Replay(body, receive), send)

    def _limit(self, path: str) -> int:
        return next(limit for prefix, limit in self._limits if path.startswith(prefix))


class _Replay:
    """Gives a body that was read already, then listens for the client's disconnect."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._body: bytes | None = body
        self._receive = receive

    async def __call__(self) -> Message:
        if self._body is None:
            return await self._receive()
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}


def demand_storable(scope: Scope) -> None:
    """Refuse an address that PostgreSQL could not keep.

    :raises AddressUnstorable: it holds a NUL.
    """
    if b"%00" in scope["query_string"] or "\x00" in scope["path"]:
        raise AddressUnstorable


async def read_whole(scope: Scope, receive: Receive, *, limit: int, seconds: float) -> bytes:
    """The body of a request.

    :raises BodyTooLarge: it is, or says that it will be, more than `limit` bytes.
    :raises RequestTimeout: it was not complete after `seconds`.
    :raises BodyIncomplete: the client left before its end.
    """
    too_large = BodyTooLarge(limit=limit, headers={"Connection": "close"})
    declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    if declared.isdigit() and int(declared) > limit:
        raise too_large
    try:
        async with asyncio.timeout(seconds):
            return await _read(receive, limit, too_large)
    except TimeoutError as error:
        raise RequestTimeout(seconds=seconds, headers={"Connection": "close"}) from error


async def _read(receive: Receive, limit: int, too_large: BodyTooLarge) -> bytes:
    chunks, size, more = [], 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BodyIncomplete
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise too_large
        chunks.append(chunk)
        more = message.get("more_body", False)
    return b"".join(chunks)
