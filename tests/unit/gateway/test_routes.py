"""The routing table covers what the services offer, and nothing that is theirs alone."""

import re
from contextlib import AbstractAsyncContextManager
from importlib import import_module

import pytest

from services.gateway.routes import HTTP_SERVICES, PREFIX, ROUTES, MethodNotAllowed, Table, UnknownVersion
from services.shared.errors import NotFound
from services.shared.runtime import Runtime
from tests.service.doors import SETTINGS


def _never() -> AbstractAsyncContextManager[Runtime]:
    raise AssertionError


@pytest.mark.parametrize("app_id", HTTP_SERVICES)
def test_everything_that_a_service_describes_can_be_reached(app_id: str) -> None:
    app = import_module(f"services.{app_id}.app")
    settings = next((kind for name, kind in vars(app).items() if name.endswith("Settings")), type(SETTINGS))
    paths = app.create(_never, settings(**SETTINGS.model_dump())).openapi()["paths"]

    for path, operations in paths.items():
        for method in operations:
            if not path.startswith("/.well-known"):
                sent = PREFIX + re.sub(r"\{[^}]*\}", "x", path)
                assert Table().find(method.upper(), sent).app_id == app_id


def test_no_two_routes_are_one() -> None:
    keys = [(route.method, re.sub(r"\{\w+\}", "{}", route.path)) for route in ROUTES]

    assert len(set(keys)) == len(keys)


def test_a_literal_path_goes_before_a_parameter() -> None:
    assert Table().find("GET", "/api/v1/products/search").path == "/products/search"
    assert Table().find("GET", "/api/v1/products/x").path == "/products/{id}"
    with pytest.raises(MethodNotAllowed):
        Table().find("PUT", "/api/v1/products/search")


@pytest.mark.parametrize("path", ["/api/v1/internal/x", "/api/v1/orders/a.b", "/api/v1/orders/" + "x" * 65])
def test_what_is_not_in_the_table_does_not_exist(path: str) -> None:
    with pytest.raises(NotFound):
        Table().find("GET", path)


def test_an_unknown_version_is_told_the_known_ones() -> None:
    with pytest.raises(UnknownVersion) as refused:
        Table().find("GET", "/api/v2/orders")

    assert refused.value.extra == {"known": ["v1"]}


def test_only_what_is_meant_for_everybody_is_open() -> None:
    assert {(route.method, route.path) for route in ROUTES if not route.needs_token} == {
        ("POST", "/users/register"),
        ("POST", "/users/login"),
        ("POST", "/users/token/refresh"),
        ("GET", "/products"),
        ("GET", "/products/search"),
        ("GET", "/products/suggest"),
        ("GET", "/products/{id}"),
        ("GET", "/products/{id}/recommendations"),
        ("GET", "/categories"),
        ("GET", "/cart"),
        ("DELETE", "/cart"),
        ("PUT", "/cart/items/{id}"),
        ("DELETE", "/cart/items/{id}"),
        ("POST", "/webhooks/stripe"),
    }
