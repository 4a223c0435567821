"""Which paths there are, and for which of them a token is needed."""

from datetime import UTC, datetime, timedelta

import pytest

from services.gateway.routes import ROUTES
from services.shared.identity import KeyRing, Role
from services.shared.sidecar import SidecarAway
from tests.service.doors import Tokens
from tests.service.gateway.conftest import Visitor, Wire

NEEDING_A_TOKEN = [(route.method, route.path.replace("{id}", "x")) for route in ROUTES if route.needs_token]
OPEN = [(route.method, route.path.replace("{id}", "x")) for route in ROUTES if not route.needs_token]


@pytest.mark.parametrize(("method", "path"), NEEDING_A_TOKEN)
async def test_without_a_token_most_paths_are_closed(visitor: Visitor, wire: Wire, method: str, path: str) -> None:
    answer = await visitor.request(method, f"/api/v1{path}")

    assert (answer.status_code, answer.headers["www-authenticate"], wire.seen) == (401, "Bearer", [])


@pytest.mark.parametrize(("method", "path"), OPEN)
async def test_some_paths_are_open_to_everybody(visitor: Visitor, wire: Wire, method: str, path: str) -> None:
    answer = await visitor.request(method, f"/api/v1{path}")

    assert answer.status_code == 200
    assert wire.seen[0].address == path


async def test_a_forged_or_expired_token_opens_nothing(visitor: Visitor, wire: Wire, tokens: Tokens) -> None:
    long_ago = datetime.now(UTC) - timedelta(hours=1)
    expired = tokens.of(Role.CUSTOMER, exp=long_ago)
    forged = Tokens().of(Role.ADMIN)

    answers = [
        await visitor.get("/api/v1/orders", headers={"Authorization": value})
        for value in (f"Bearer {expired}", f"Bearer {forged}", "Bearer x.y.z", "Bearer ", "Basic eDp5")
    ]

    assert [answer.status_code for answer in answers] == [401] * 5
    assert answers[0].json()["type"] == "token-expired"
    assert wire.seen == []


async def test_an_expired_token_does_not_keep_anybody_from_logging_in(visitor: Visitor, tokens: Tokens) -> None:
    expired = tokens.of(Role.CUSTOMER, exp=datetime.now(UTC) - timedelta(hours=1))

    answer = await visitor.post("/api/v1/users/login", json={}, headers={"Authorization": f"Bearer {expired}"})

    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/api", "/api/", "/api/v2/products", "/api/v9", "/api/products"])
async def test_an_unknown_version_is_told_the_known_ones(visitor: Visitor, path: str) -> None:
    answer = await visitor.get(path)

    assert (answer.status_code, answer.json()["type"], answer.json()["known"]) == (404, "unknown-version", ["v1"])


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1",
        "/api/v1/",
        "/api/v1/nothing",
        "/api/v1/products/",
        "/api/v1/products//",
        "/api/v1/internal/prices",
        "/api/v1/orders/%2e%2e%2finternal%2fpayables%2fx",
        "/api/v1/orders/..",
        "/api/v1/orders/%00",
        "/api/v1/orders/a%2fb",
        "/api/v1/events/orders",
        "/api/v1/dapr/subscribe",
        "/api/v1/openapi.json",
        "/api/v1/.well-known/jwks.json",
        "/apis/v1/products",
        "/internal/prices",
        "/v1.0/invoke/order/method/orders",
    ],
)
async def test_an_unknown_path_leads_nowhere(visitor: Visitor, wire: Wire, tokens: Tokens, path: str) -> None:
    answer = await visitor.get(path, headers=tokens.headers(Role.ADMIN))

    assert (answer.status_code, answer.json()["type"], wire.seen) == (404, "not-found", [])


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", "/orders/x", "DELETE, GET, PUT"),
        ("DELETE", "/users/profile", "GET, PUT"),
        ("HEAD", "/users", "GET"),
    ],
)
async def test_a_method_that_a_path_does_not_take_is_told_which_it_takes(
    visitor: Visitor, wire: Wire, method: str, path: str, allowed: str
) -> None:
    answer = await visitor.request(method, f"/api/v1{path}")

    assert (answer.status_code, answer.headers["allow"], wire.seen) == (405, allowed, [])


async def test_when_the_keys_are_away_a_signed_in_user_is_asked_to_come_back(visitor: Visitor, tokens: Tokens) -> None:
    async def nobody() -> dict[str, object]:
        raise SidecarAway

    visitor.runtime.keys = KeyRing(nobody)

    closed = await visitor.get("/api/v1/orders", headers=tokens.headers())
    public = await visitor.get("/api/v1/products", headers=tokens.headers())

    assert (closed.status_code, closed.json()["type"]) == (503, "service-unavailable")
    assert public.status_code == 200
