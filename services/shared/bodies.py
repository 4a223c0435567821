"""Request bodies: a size limit and a deadline at the wire, strictness and storable text in the model."""

import asyncio
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, model_validator
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.shared.errors import problem

MIB = 1024 * 1024


class Body(BaseModel):
    """A request's body: unknown fields are refused, and so is text that cannot be stored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _storable(cls, data: Any) -> Any:  # noqa: ANN401 - a validator sees anything
        _check_text(data)
        return data


def _check_text(data: object) -> None:
    if isinstance(data, str):
        if "\x00" in data or any("\ud800" <= character <= "\udfff" for character in data):
            message = "text must not hold NUL or unpaired surrogates"
            raise ValueError(message)
    elif isinstance(data, Mapping):
        for key, value in data.items():
            _check_text(key)
            _check_text(value)
    elif isinstance(data, list):
        for value in data:
            _check_text(value)


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
        found = _unstorable_address(scope) or await self._body(scope, receive)
        if isinstance(found, Response):
            await found(scope, receive, send)
        else:
            await self._app(scope, _Replay(found, receive), send)

    async def _body(self, scope: Scope, receive: Receive) -> bytes | Response:
        limit = self._limit(scope["path"])
        try:
            async with asyncio.timeout(self._seconds):
                body = await _read(receive, scope, limit)
        except TimeoutError:
            detail = f"The body did not arrive within {self._seconds:g} seconds."
            return problem(408, "request-timeout", detail, headers={"Connection": "close"})
        if body is None:
            return problem(
                413, "body-too-large", f"The body is larger than {limit} bytes.", headers={"Connection": "close"}
            )
        return body

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


def _unstorable_address(scope: Scope) -> Response | None:
    if b"%00" in scope["query_string"] or "\x00" in scope["path"]:
        return problem(400, "malformed", "The address holds a NUL character.")
    return None


async def _read(receive: Receive, scope: Scope, limit: int) -> bytes | None:
    declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    if declared.isdigit() and int(declared) > limit:
        return None
    chunks, size, more = [], 0, True
    while more:
        message = await receive()
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            return None
        chunks.append(chunk)
        more = message.get("more_body", False)
    return b"".join(chunks)
