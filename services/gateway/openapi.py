"""One OpenAPI 3.1 document of the whole platform, merged from those of the services."""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from services.gateway.routes import HTTP_SERVICES, PREFIX, Table
from services.shared.errors import Refusal, Unavailable
from services.shared.sidecar import CallRefused, Sidecar, SidecarAway

Document = dict[str, Any]

_PROBLEM = {
    "title": "Problem",
    "description": "Why a request was refused (RFC 9457).",
    "type": "object",
    "required": ["type", "title", "status", "detail", "trace_id"],
    "properties": {
        "type": {"type": "string", "description": "A stable slug.", "examples": ["insufficient-stock"]},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "trace_id": {"type": "string", "description": "Names the request's log lines to an operator."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["field", "message"],
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
_REFUSED = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
_REPLACED = frozenset({"HTTPValidationError", "ValidationError", "Problem"})
"""What the services' frameworks say about refusals; the platform's own `Problem` stands for all of them."""
_ABOUT = (
    "A complete shop back end. Errors are `application/problem+json` with a stable `type`; lists take `limit` and"
    " `cursor`; money is a decimal string with its currency; times are RFC 3339 in UTC. Sign in with"
    " `POST /api/v1/users/login` and send the access token as `Authorization: Bearer …`."
)
_TAGS = {
    "user": "Accounts, roles, tokens.",
    "product": "The catalogue, its search and its stock.",
    "order": "Carts, orders, their history and timeline.",
    "payment": "Payments and refunds.",
    "notification": "The inbox and what a customer wants to be told.",
}


class DocsUnavailable(Unavailable):
    """The API's description is not complete yet, because {app_id} is away; try again."""


class _Described(BaseModel):
    model_config = ConfigDict(extra="allow")

    paths: dict[str, Any]


class Description:
    """The merged document, made when it is first asked for and kept from then on."""

    def __init__(self, sidecar: Sidecar, own: Document) -> None:
        """`own` describes what the gateway serves beside the API."""
        self._sidecar = sidecar
        self._own = own
        self._turn = asyncio.Lock()
        self._kept: bytes | None = None

    async def read(self) -> bytes:
        """The document as JSON.

        :raises DocsUnavailable: a service that it needs is away.
        """
        async with self._turn:
            if self._kept is None:
                found = await asyncio.gather(*map(self._ask, HTTP_SERVICES))
                self._kept = json.dumps(merged(self._own, dict(zip(HTTP_SERVICES, found, strict=True)))).encode()
            return self._kept

    async def _ask(self, app_id: str) -> Document:
        try:
            return (await self._sidecar.call(app_id, "GET", "/openapi.json", _Described)).model_dump()
        except (SidecarAway, CallRefused) as error:
            raise DocsUnavailable(app_id=app_id) from error


def merged(own: Document, documents: Mapping[str, Document]) -> Document:
    """One document from those of the services, by app id: what the gateway forwards, under its prefix."""
    shared = _ambiguous(documents)
    paths: Document = dict(own["paths"])
    components: Document = {"schemas": {}}
    for app_id, document in documents.items():
        renamed = _renamed(document, {name: f"{app_id.capitalize()}{name}" for name in shared})
        for path, method, operation in _forwarded(app_id, renamed["paths"]):
            paths.setdefault(PREFIX + path, {})[method] = _with_problems(operation) | {"tags": [app_id]}
        for kind, parts in renamed.get("components", {}).items():
            components.setdefault(kind, {}).update(parts)
    schemas = {name: schema for name, schema in components["schemas"].items() if name not in _REPLACED}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Sidecart", "version": "1", "description": _ABOUT},
        "servers": [{"url": "/", "description": "This gateway"}],
        "tags": [{"name": app_id, "description": _TAGS[app_id]} for app_id in documents],
        "paths": paths,
        "components": components | {"schemas": dict(sorted(schemas.items())) | {"Problem": _PROBLEM}},
    }


def _ambiguous(documents: Mapping[str, Document]) -> frozenset[str]:
    """Schema names that mean, or through their references could mean, different things in different services."""
    spelled: dict[str, list[str]] = {}
    for document in documents.values():
        for name, schema in document.get("components", {}).get("schemas", {}).items():
            spelled.setdefault(name, []).append(json.dumps(schema, sort_keys=True))
    return frozenset(
        name
        for name, spellings in spelled.items()
        if name not in _REPLACED and len(spellings) > 1 and (len(set(spellings)) > 1 or '"$ref"' in spellings[0])
    )


def _renamed(document: Document, names: Mapping[str, str]) -> Document:
    """The document with some of its schemas, and every reference to them, under other names."""

    def follow(part: Any) -> Any:  # noqa: ANN401 - any JSON
        if isinstance(part, dict):
            return {key: target(value) if key == "$ref" else follow(value) for key, value in part.items()}
        return [follow(one) for one in part] if isinstance(part, list) else part

    def target(reference: str) -> str:
        before, _, name = reference.rpartition("/")
        return f"{before}/{names.get(name, name)}"

    followed: Document = follow(document)
    components = followed.get("components", {})
    schemas = {names.get(name, name): schema for name, schema in components.get("schemas", {}).items()}
    return followed | {"components": components | {"schemas": schemas}}


def _forwarded(app_id: str, paths: Mapping[str, Document]) -> Iterator[tuple[str, str, Document]]:
    """The operations that the routing table leads to, as path, method and operation."""
    table = Table()
    for path, operations in paths.items():
        for method, operation in operations.items():
            try:
                route = table.find(method.upper(), PREFIX + re.sub(r"\{[^}]*\}", "x", path))
            except Refusal:
                continue
            if route.app_id == app_id:
                yield path, method, operation


def _with_problems(operation: Document) -> Document:
    """The operation with every refusal described as what it is: a problem document."""
    given = operation.get("responses", {})
    responses = {status: answer for status, answer in given.items() if status < "4"}
    refused = {status: answer | {"content": _REFUSED} for status, answer in given.items() if status >= "4"}
    other = {"default": {"description": "Refused", "content": _REFUSED}}
    return operation | {"responses": responses | refused | other}
