"""A token is believed only when everything about it is right."""

import base64
import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import APIRouter, FastAPI
from fastapi.testclient import TestClient

from services.shared import errors, identity
from services.shared.errors import Forbidden
from services.shared.identity import (
    Admin,
    Anyone,
    Customer,
    EndpointUndeclared,
    KeyRing,
    Peer,
    Principal,
    Role,
    Staff,
    TokenExpired,
    TokenInvalid,
    Visitor,
)
from tests.service.doors import Tokens

tokens = Tokens()


def forged(**change: Any) -> str:
    """A token that is right but for one thing."""
    headers = {"kid": "test", "typ": "at+jwt"} | change.pop("headers", {})
    claims = jwt.decode(tokens.of(), options={"verify_signature": False}) | change.pop("claims", {})
    for missing in change.pop("without", ()):
        del claims[missing]
    return jwt.encode(claims, change.pop("key", tokens.key), change.pop("algorithm", "EdDSA"), headers=headers)


def tampered() -> str:
    head, claims, signature = tokens.of(Role.CUSTOMER).split(".")
    changed = json.loads(base64.urlsafe_b64decode(claims + "==")) | {"role": "admin"}
    return ".".join([head, base64.urlsafe_b64encode(json.dumps(changed).encode()).decode().rstrip("="), signature])


PUBLIC = tokens.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
YESTERDAY = datetime.now(UTC) - timedelta(days=1)

ATTACKS = {
    "alg none": jwt.encode(
        {"sub": str(uuid4()), "role": "admin"}, "", "none", headers={"kid": "test", "typ": "at+jwt"}
    ),
    "public key as an HMAC secret": forged(key=PUBLIC, algorithm="HS256"),
    "another key": forged(key=Ed25519PrivateKey.generate()),
    "unknown kid": forged(headers={"kid": "../../etc/passwd"}),
    "another type": forged(headers={"typ": "JWT"}),
    "another audience": forged(claims={"aud": "elsewhere"}),
    "another issuer": forged(claims={"iss": "elsewhere"}),
    "not yet valid": forged(claims={"nbf": datetime.now(UTC) + timedelta(hours=1)}),
    "issued in the future": forged(claims={"iat": datetime.now(UTC) + timedelta(hours=1)}),
    "no expiry": forged(without=["exp"]),
    "no subject": forged(without=["sub"]),
    "subject is not an id": forged(claims={"sub": "root"}),
    "unknown role": forged(claims={"role": "god"}),
    "no role": forged(without=["role"]),
    "tampered": tampered(),
    "not a token": "x.y.z",
    "empty": "",
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_a_token_with_one_thing_wrong_is_refused(attack: str) -> None:
    with pytest.raises(TokenInvalid):
        await tokens.keys.verify(ATTACKS[attack])


async def test_an_expired_token_says_so() -> None:
    with pytest.raises(TokenExpired):
        await tokens.keys.verify(forged(claims={"exp": YESTERDAY}))


async def test_a_good_token_names_its_principal() -> None:
    user, session = uuid4(), uuid4()

    principal = await tokens.keys.verify(tokens.of(Role.STAFF, user, sid=str(session)))

    assert (principal.id, principal.role, principal.session_id) == (user, Role.STAFF, session)
    assert str(principal) == f"staff:{user}"
    assert principal.token not in repr(principal)


async def test_keys_are_fetched_again_for_an_unknown_key_but_not_for_every_forgery() -> None:
    fetched = 0

    async def fetch() -> Mapping[str, Any]:
        nonlocal fetched
        fetched += 1
        return tokens.key_set

    ring = KeyRing(fetch)
    began = time.monotonic()
    for _ in range(10):
        with pytest.raises(TokenInvalid):
            await ring.verify(forged(headers={"kid": "unknown"}))
    await ring.verify(tokens.of())

    assert fetched <= 1 + (time.monotonic() - began) // 5


def test_a_role_includes_the_ones_before_it() -> None:
    staff = Principal(id=uuid4(), role=Role.STAFF, token="")

    assert [staff.can(role) for role in Role] == [True, True, False]
    assert staff.is_staff


router = APIRouter()


@router.get("/customer")
async def for_customers(customer: Customer) -> str:
    return str(customer.role)


@router.get("/staff")
async def for_staff(staff: Staff) -> str:
    return str(staff.role)


@router.get("/admin")
async def for_admins(admin: Admin) -> str:
    return str(admin.role)


@router.get("/visitor")
async def for_visitors(visitor: Visitor) -> str:
    return str(visitor.role) if visitor else "guest"


@router.get("/peer")
async def for_peers(peer: Peer) -> str:
    return str(peer)


@router.get("/anyone")
async def for_anyone(_: Anyone) -> str:
    return "anyone"


@pytest.fixture
def client() -> TestClient:
    app = FastAPI()
    errors.install(app)
    app.include_router(router)
    identity.demand_declared(app)
    app.state.runtime = type("Runtime", (), {"keys": tokens.keys})()
    return TestClient(app)


@pytest.mark.parametrize(
    ("path", "nobody", "customer", "staff", "admin"),
    [
        ("/customer", 401, 200, 200, 200),
        ("/staff", 401, 403, 200, 200),
        ("/admin", 401, 403, 403, 200),
        ("/visitor", 200, 200, 200, 200),
        ("/anyone", 200, 200, 200, 200),
        ("/peer", 403, 403, 403, 403),
    ],
)
def test_a_signature_decides_who_may_call(
    client: TestClient, path: str, nobody: int, customer: int, staff: int, admin: int
) -> None:
    asked = [client.get(path, headers=tokens.headers(role)).status_code for role in Role]

    assert [client.get(path).status_code, *asked] == [nobody, customer, staff, admin]


def test_a_visitor_with_a_bad_token_is_not_taken_for_a_guest(client: TestClient) -> None:
    assert client.get("/visitor", headers={"Authorization": "Bearer x.y.z"}).status_code == 401


def test_a_peer_is_the_last_name_because_a_forged_one_comes_first(client: TestClient) -> None:
    answer = client.get("/peer", headers=[("dapr-caller-app-id", "payment"), ("dapr-caller-app-id", "gateway")])

    assert answer.json() == "service:gateway"
    assert identity.caller(["payment, gateway"]) == "gateway"
    with pytest.raises(Forbidden):
        identity.caller([])


def test_an_endpoint_that_does_not_say_who_may_call_it_does_not_start() -> None:
    app = FastAPI()

    @app.get("/open")
    async def undeclared() -> None: ...

    with pytest.raises(EndpointUndeclared, match="/open"):
        identity.demand_declared(app)
