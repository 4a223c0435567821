"""Refusals, and how the HTTP door words them (RFC 9457 problem details)."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, ClassVar

import psycopg
import sqlalchemy.exc
import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from services.shared import telemetry

log = structlog.get_logger()

MEDIA_TYPE = "application/problem+json"


class Refusal(Exception):
    """Something that the rules do not allow. A subclass is two lines: its docstring is its message.

    Words in braces are filled from the keyword arguments; `errors` names fields, `extra` adds members to the problem.
    """

    status: ClassVar[int]
    slug: ClassVar[str]

    def __init_subclass__(cls) -> None:
        """Derive the stable slug from the class name: `OrderCannotMove` is `order-cannot-move`."""
        if "slug" not in vars(cls):
            cls.slug = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", cls.__name__).lower()

    def __init__(
        self,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        extra: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        **words: object,
    ) -> None:
        """Fill the message."""
        self.detail = " ".join((type(self).__doc__ or "").split()).format(**words)
        self.errors = list(errors)
        self.extra = dict(extra or {})
        self.headers = dict(headers or {})
        super().__init__(self.detail)


class Malformed(Refusal):
    """The request is not well-formed."""

    status = 400


class Unauthenticated(Refusal):
    """A valid access token is needed."""

    status = 401


class Declined(Refusal):
    """The payment was declined."""

    status = 402


class Forbidden(Refusal):
    """This is not allowed for you."""

    status = 403


class NotFound(Refusal):
    """There is no such thing, or it is not yours."""

    status = 404


class Conflict(Refusal):
    """The state of the resource does not allow this."""

    status = 409


class Stale(Refusal):
    """The resource has changed since you read it."""

    status = 412


class Invalid(Refusal):
    """The request is well-formed but invalid."""

    status = 422


class PreconditionMissing(Refusal):
    """This request needs an If-Match header with the version that you read."""

    status = 428


class Unavailable(Refusal):
    """Something that this needs is away for the moment; try again."""

    status = 503

    def __init__(self, **words: Any) -> None:  # noqa: ANN401 - passed on
        """Say when to come back."""
        super().__init__(**{"headers": {"Retry-After": "1"}} | words)


class TooEarly(Refusal):
    """An event came before its predecessor; it is delivered again."""

    status = 409


STORE_IS_AWAY = (
    sqlalchemy.exc.OperationalError,
    sqlalchemy.exc.InterfaceError,
    sqlalchemy.exc.TimeoutError,
    psycopg.OperationalError,
    psycopg.InterfaceError,
)
"""What the driver raises when the database cannot be reached or is too busy to answer."""


def problem(
    status: int,
    slug: str,
    detail: str,
    *,
    errors: Sequence[Mapping[str, str]] = (),
    extra: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """An `application/problem+json` answer; `trace_id` lets an operator find the request's log."""
    body = {"type": slug, "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    body |= {"trace_id": telemetry.trace_id()} | ({"errors": list(errors)} if errors else {}) | dict(extra or {})
    return JSONResponse(body, status, headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Teach the application to answer every refusal and every failure as a problem."""
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    for away in STORE_IS_AWAY:
        app.add_exception_handler(away, _store_is_away)
    app.add_exception_handler(Exception, _bug)


def answer(refusal: Refusal) -> JSONResponse:
    """A refusal as a problem document."""
    headers = refusal.headers | ({"WWW-Authenticate": "Bearer"} if refusal.status == HTTPStatus.UNAUTHORIZED else {})
    return problem(
        refusal.status, refusal.slug, refusal.detail, errors=refusal.errors, extra=refusal.extra, headers=headers
    )


async def _refused(_: Request, refusal: Exception) -> JSONResponse:
    if not isinstance(refusal, Refusal):
        raise refusal
    return answer(refusal)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    found = error.errors() if isinstance(error, RequestValidationError) else []
    if any(one["type"] == "json_invalid" for one in found):
        return problem(400, "malformed", "The body is not valid JSON.")
    if found and all(one["loc"][0] == "path" for one in found):
        return problem(404, "not-found", "There is no such thing, or it is not yours.")
    errors = [{"field": ".".join(map(str, one["loc"][1:])) or "body", "message": one["msg"]} for one in found]
    return problem(422, "invalid-request", "The request is well-formed but invalid.", errors=errors)


async def _http(_: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    phrase = HTTPStatus(error.status_code).phrase
    slug = re.sub(r"[^a-z]+", "-", phrase.lower())
    return problem(error.status_code, slug, f"{phrase}.", headers=error.headers)


async def _store_is_away(_: Request, error: Exception) -> JSONResponse:
    log.warning("store.away", error=type(error).__name__)
    detail = "A store that this needs is away for the moment; try again."
    return problem(503, "store-unavailable", detail, headers={"Retry-After": "1"})


async def _bug(_: Request, error: Exception) -> JSONResponse:
    log.error("request.failed", exc_info=error)
    return problem(500, "internal-error", "Something went wrong on our side; it was recorded under this trace id.")
