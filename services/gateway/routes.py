"""The routing table: what the public API is made of, and who serves it."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from services.shared.bodies import MIB
from services.shared.errors import NotFound, Refusal

PREFIX = "/api/v1"
VERSIONS = ("v1",)


class Counted(StrEnum):
    """What a request counts against."""

    CALLER = "caller"
    """The customer or member of staff that the token names, else the address."""
    REGISTRATION = "registration"
    LOGIN = "login"
    """The address, and when it fails, the address's failed logins too."""
    WEBHOOK = "webhook"


@dataclass(frozen=True, kw_only=True)
class Route:
    """Where one method of one path goes."""

    method: str
    path: str
    app_id: str
    needs_token: bool
    body_limit: int = MIB
    seconds: float = 12.0
    """How long the service may take; longer than the sidecar's own time-out, so that the sidecar's answer is seen."""
    counted: Counted = Counted.CALLER


class UnknownVersion(Refusal):
    """There is no such version of this API; known are: {known}."""

    status = 404


class MethodNotAllowed(Refusal):
    """This path does not take {method}; it takes {allowed}."""

    status = 405


def _user(method: str, path: str, app_id: str, **other: Any) -> Route:  # noqa: ANN401 - the route's other fields
    return Route(method=method, path=path, app_id=app_id, needs_token=True, **other)


def _anyone(method: str, path: str, app_id: str, **other: Any) -> Route:  # noqa: ANN401 - the route's other fields
    return Route(method=method, path=path, app_id=app_id, needs_token=False, **other)


ROUTES: tuple[Route, ...] = (
    _anyone("POST", "/users/register", "user", counted=Counted.REGISTRATION),
    _anyone("POST", "/users/login", "user", counted=Counted.LOGIN),
    _anyone("POST", "/users/token/refresh", "user"),
    _user("POST", "/users/logout", "user"),
    _user("GET", "/users/profile", "user"),
    _user("PUT", "/users/profile", "user"),
    _user("GET", "/users", "user"),
    _user("GET", "/users/{id}", "user"),
    _user("PUT", "/users/{id}/role", "user"),
    _user("PUT", "/users/{id}/active", "user"),
    _anyone("GET", "/products", "product"),
    _user("POST", "/products", "product"),
    _anyone("GET", "/products/search", "product"),
    _anyone("GET", "/products/suggest", "product"),
    _user("POST", "/products/import", "product", body_limit=32 * MIB, seconds=65.0),
    _user("GET", "/products/imports/{id}", "product"),
    _user("GET", "/products/export", "product", seconds=65.0),
    _anyone("GET", "/products/{id}", "product"),
    _user("PUT", "/products/{id}", "product"),
    _user("DELETE", "/products/{id}", "product"),
    _anyone("GET", "/products/{id}/recommendations", "product"),
    _user("POST", "/products/{id}/images", "product", body_limit=10 * MIB, seconds=30.0),
    _user("GET", "/products/{id}/inventory", "product"),
    _user("PUT", "/products/{id}/inventory", "product"),
    _anyone("GET", "/categories", "product"),
    _user("POST", "/categories", "product"),
    _anyone("GET", "/cart", "order"),
    _anyone("DELETE", "/cart", "order"),
    _anyone("PUT", "/cart/items/{id}", "order"),
    _anyone("DELETE", "/cart/items/{id}", "order"),
    _user("POST", "/orders", "order"),
    _user("GET", "/orders", "order"),
    _user("GET", "/orders/{id}", "order"),
    _user("PUT", "/orders/{id}", "order"),
    _user("DELETE", "/orders/{id}", "order"),
    _user("GET", "/orders/{id}/timeline", "order"),
    _user("POST", "/orders/{id}/ship", "order"),
    _user("POST", "/orders/{id}/deliver", "order"),
    _user("GET", "/reports/sales", "order"),
    _user("POST", "/payments", "payment", seconds=15.0),
    _user("GET", "/payments/{id}", "payment"),
    _user("POST", "/payments/{id}/refund", "payment", seconds=15.0),
    _user("GET", "/payments/reconciliation/latest", "payment"),
    _user("POST", "/payments/reconciliation", "payment"),
    _anyone("POST", "/webhooks/stripe", "payment", counted=Counted.WEBHOOK),
    _user("GET", "/notifications", "notification"),
    _user("GET", "/notifications/preferences", "notification"),
    _user("PUT", "/notifications/preferences", "notification"),
    _user("POST", "/notifications/{id}/read", "notification"),
)

HTTP_SERVICES = tuple(dict.fromkeys(route.app_id for route in ROUTES))

_ID = "[A-Za-z0-9_-]{1,64}"
"""No dots, slashes or escapes: the sidecar decodes and cleans a path, so `%2e%2e%2f` would lead elsewhere."""


class Table:
    """Finds the route of a request; a literal path goes before one with a parameter."""

    def __init__(self, routes: Iterable[Route] = ROUTES) -> None:
        """Index the routes by path."""
        self._literal: dict[str, dict[str, Route]] = {}
        patterns: dict[str, dict[str, Route]] = {}
        for route in routes:
            paths = patterns if "{" in route.path else self._literal
            paths.setdefault(route.path, {})[route.method] = route
        self._patterns = [(re.compile(re.sub(r"\{\w+\}", _ID, path)), methods) for path, methods in patterns.items()]

    def find(self, method: str, path: str) -> Route:
        """The route of a raw (undecoded) path under `/api`.

        :raises UnknownVersion: it is not under a version that exists.
        :raises NotFound: nothing is there.
        :raises MethodNotAllowed: something is there that does not take this method.
        """
        version, _, rest = path.removeprefix("/api").removeprefix("/").partition("/")
        if version not in VERSIONS:
            raise UnknownVersion(known=", ".join(VERSIONS), extra={"known": list(VERSIONS)})
        methods = self._methods(f"/{rest}")
        if method not in methods:
            allowed = ", ".join(sorted(methods))
            raise MethodNotAllowed(method=method, allowed=allowed, headers={"Allow": allowed})
        return methods[method]

    def _methods(self, path: str) -> Mapping[str, Route]:
        found = self._literal.get(path)
        if found is None:
            found = next((methods for pattern, methods in self._patterns if pattern.fullmatch(path)), None)
        if found is None:
            raise NotFound
        return found
