"""Forwarding: one call through the sidecar, told apart from the sidecar's own failures."""

import asyncio
import io
import random
import string
import time
from collections.abc import Mapping
from urllib.parse import quote_from_bytes

import aiohttp
import structlog
from multidict import CIMultiDictProxy
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Scope
from yarl import URL

from services.gateway.routes import PREFIX
from services.shared import telemetry
from services.shared.errors import Unavailable
from services.shared.sidecar import Sidecar

_PASSED_ON = (
    "accept",
    "accept-language",
    "authorization",
    "content-encoding",
    "content-type",
    "idempotency-key",
    "if-match",
    "if-none-match",
    "stripe-signature",
    "user-agent",
    "x-cart-token",
)
"""Nothing else goes on: neither hop-by-hop fields nor `dapr-*`, which would steer the sidecars."""

_PASSED_BACK = frozenset(
    {
        "allow",
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-type",
        "etag",
        "idempotent-replayed",
        "last-modified",
        "link",
        "location",
        "retry-after",
        "vary",
        "www-authenticate",
        "x-cart-token",
    }
)
_DAPR_ERROR = b'{"errorCode"'
_TALKS = frozenset({200, 201, 202})
"""What no service answers without a body."""

_UNTOUCHED = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")

_PAUSES = (0.1, 0.3)
_AT_ONCE_SECONDS = 1.0

log = structlog.get_logger()


class ServiceUnavailable(Unavailable):
    """The service behind this is away for the moment; read what became of a change before you try it again."""


def address_of(scope: Scope) -> str:
    """Path and query as the service knows them, in the bytes that the client sent."""
    path: str = scope["raw_path"].decode("latin-1").removeprefix(PREFIX)
    query: bytes = scope["query_string"]
    if not query:
        return path
    return f"{path}?{query.decode() if query.isascii() else quote_from_bytes(query, safe=string.punctuation)}"


def passed_on(scope: Scope, app_id: str, client: str) -> dict[str, str]:
    """The fields that go on to a service, and what it should know of the client."""
    given = Headers(scope=scope)
    kept = {name: given[name] for name in _PASSED_ON if name in given}
    kept |= {"dapr-app-id": app_id, "x-forwarded-for": client, "x-forwarded-proto": scope["scheme"]}
    return telemetry.outgoing(kept | {"x-forwarded-host": given.get("host", "")})


async def forward(
    sidecar: Sidecar, method: str, address: str, *, headers: Mapping[str, str], body: bytes, seconds: float
) -> Response:
    """Call a service (`headers` name it by `dapr-app-id`) and give its answer back.

    A read that fails at once is tried again, which hides a restart; whatever may change something is never sent twice.

    :param address: path and query exactly as they were sent.
    :raises ServiceUnavailable: the sidecar is away, or could not reach the service, or no answer came in time.
    """
    began = time.monotonic()
    for pause in _PAUSES if method == "GET" else ():
        try:
            return await _once(sidecar, method, address, headers, body, seconds)
        except ServiceUnavailable:
            if time.monotonic() - began > _AT_ONCE_SECONDS:
                raise
            await asyncio.sleep(random.uniform(0.5, 1.0) * pause)  # noqa: S311 - jitter, not a secret
    return await _once(sidecar, method, address, headers, body, seconds)


async def _once(
    sidecar: Sidecar, method: str, address: str, headers: Mapping[str, str], body: bytes, seconds: float
) -> Response:
    timeout = aiohttp.ClientTimeout(total=seconds)
    try:
        async with sidecar.session.request(
            method,
            URL(address, encoded=True),
            headers=headers,
            data=io.BytesIO(body) if body else None,  # large bytes would be copied in one piece
            timeout=timeout,
            allow_redirects=False,
            skip_auto_headers=_UNTOUCHED,
        ) as answer:
            content = await answer.read()
    except (aiohttp.ClientError, TimeoutError) as error:
        log.warning("forward.failed", callee=headers["dapr-app-id"], error=type(error).__name__)
        raise ServiceUnavailable from error
    if answer.status >= 400 and content.startswith(_DAPR_ERROR):  # noqa: PLR2004 - errors begin here
        said = content[:300].decode(errors="replace")
        log.warning("forward.failed", callee=headers["dapr-app-id"], status=answer.status, error=said)
        raise ServiceUnavailable
    if answer.status in _TALKS and not content:  # so sidecars answer for a service that dies while it answers
        log.warning("forward.failed", callee=headers["dapr-app-id"], status=answer.status, error="an empty success")
        raise ServiceUnavailable
    return Response(content, answer.status, _passed_back(answer.headers))


def _passed_back(headers: CIMultiDictProxy[str]) -> dict[str, str]:
    kept = {name: value for name, value in headers.items() if name.lower() in _PASSED_BACK}
    if headers.get("Location", "").startswith("/"):
        kept["Location"] = PREFIX + headers["Location"]
    return kept
