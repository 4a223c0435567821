"""A small client of the public API."""

import io
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

import aiohttp

from services.local.refusals import Refusal

_TIMEOUT = aiohttp.ClientTimeout(total=60)


class Unexpected(Refusal):
    """The shop answered something else than it should have."""


class Unreachable(Refusal):
    """The shop does not answer at all."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What was answered to one request."""

    asked: str
    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def body(self) -> Any:  # noqa: ANN401 - JSON has no narrower type
        """The content as JSON."""
        return json.loads(self.content)

    def expect(self, *statuses: int) -> Any:  # noqa: ANN401 - JSON has no narrower type
        """The JSON of an answer with one of these statuses; nothing when it is empty.

        :raises Unexpected: the status is another
        """
        if self.status not in statuses:
            wanted = " or ".join(str(status) for status in statuses)
            raise Unexpected(f"{self.asked} answered {self.status} instead of {wanted}: {self.problem}")
        return self.body if self.content else None

    @property
    def problem(self) -> str:
        """What a problem+json answer says, in one line."""
        try:
            told = self.body
            parts = [told.get("type"), told.get("detail") or told.get("title")]
            parts += [f"{error['field']}: {error['message']}" for error in told.get("errors") or ()]
            return ", ".join(part for part in parts if part)
        except (ValueError, AttributeError, KeyError, TypeError):
            return self.content[:200].decode(errors="replace")


@dataclass(frozen=True, kw_only=True)
class Api:
    """The API, as nobody or as somebody who is logged in."""

    session: aiohttp.ClientSession
    base_url: str
    headers: Mapping[str, str] = field(default_factory=dict)

    async def call(  # noqa: PLR0913 - a request has as many parts
        self,
        method: str,
        path: str,
        *,
        json: object | None = None,
        data: bytes | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> Reply:
        """Send one request below `/api/v1`; `key` is its idempotency key.

        :raises Unreachable: nobody answers
        """
        sent = {**self.headers, **(headers or {}), **({"Idempotency-Key": key} if key else {})}
        url = f"{self.base_url}/api/v1{path}"
        try:
            body = None if data is None else io.BytesIO(data)
            async with self.session.request(method, url, json=json, data=body, params=params, headers=sent) as answer:
                content = await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Unreachable(f"{method} {path}: {error or type(error).__name__}") from error
        return Reply(asked=f"{method} {path}", status=answer.status, headers=answer.headers, content=content)

    async def get(self, path: str, **params: str) -> Any:  # noqa: ANN401 - JSON has no narrower type
        """Read something that must be there."""
        return (await self.call("GET", path, params=params)).expect(HTTPStatus.OK)

    async def register(self, email: str, password: str, *, first_name: str, last_name: str) -> Reply:
        """Make an account."""
        body = {"email": email, "password": password, "first_name": first_name, "last_name": last_name}
        return await self.call("POST", "/users/register", json=body)

    async def login(self, email: str, password: str) -> "Api":
        """The same API as the owner of an account sees it.

        :raises Unexpected: the password is wrong
        """
        reply = await self.call("POST", "/users/login", json={"email": email, "password": password})
        token = reply.expect(HTTPStatus.OK)["access_token"]
        return replace(self, headers={**self.headers, "Authorization": f"Bearer {token}"})


@asynccontextmanager
async def connected(base_url: str, *, connections: int = 32) -> AsyncIterator[Api]:
    """The API for as long as it is used."""
    connector = aiohttp.TCPConnector(limit=connections)
    async with aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT) as session:
        yield Api(session=session, base_url=base_url)
