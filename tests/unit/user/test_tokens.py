"""Access tokens: what is signed is believed, and nothing else is."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from services.shared.identity import KeyRing, Role, TokenExpired, TokenInvalid
from services.user.tokens import KeyUnusable, Signer, digest, refresh_token

KEY = ed25519.Ed25519PrivateKey.generate()
OTHER_KEY = ed25519.Ed25519PrivateKey.generate()


def pem(key: ed25519.Ed25519PrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


SIGNER = Signer(pem(KEY))
KEY_ID = SIGNER.key_set["keys"][0]["kid"]


def claims(**other: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    whole: dict[str, Any] = {
        "iss": "sidecart",
        "aud": "sidecart",
        "sub": str(uuid4()),
        "role": "admin",
        "sid": str(uuid4()),
    }
    whole |= {"iat": now, "exp": now + timedelta(minutes=15), "jti": str(uuid4())}
    return {name: value for name, value in (whole | other).items() if value is not None}


def forged(
    *, key: Any = KEY, algorithm: str | None = "EdDSA", headers: Mapping[str, Any] | None = None, **other: Any
) -> str:
    return jwt.encode(claims(**other), key, algorithm, headers={"typ": "at+jwt", "kid": KEY_ID} | dict(headers or {}))


def encoded(part: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def without_signature(algorithm: str) -> str:
    stamped = claims(iat=1_700_000_000, exp=4_000_000_000)
    return f"{encoded({'alg': algorithm, 'typ': 'at+jwt', 'kid': KEY_ID})}.{encoded(stamped)}."


def signed_with_the_public_key_as_a_secret() -> str:
    stamped = claims(iat=1_700_000_000, exp=4_000_000_000)
    signed = f"{encoded({'alg': 'HS256', 'typ': 'at+jwt', 'kid': KEY_ID})}.{encoded(stamped)}"
    secret = base64.urlsafe_b64decode(SIGNER.key_set["keys"][0]["x"] + "=")
    signature = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def with_another_role() -> str:
    header, body, signature = forged(role="customer").split(".")
    changed = json.loads(base64.urlsafe_b64decode(body + "==")) | {"role": "admin"}
    return f"{header}.{encoded(changed)}.{signature}"


ATTACKS: dict[str, Callable[[], str]] = {
    "alg none": lambda: without_signature("none"),
    "alg None": lambda: without_signature("None"),
    "alg EdDSA without a signature": lambda: without_signature("EdDSA"),
    "key confusion": signed_with_the_public_key_as_a_secret,
    "another key": lambda: forged(key=OTHER_KEY),
    "another kind of key": lambda: forged(key=ec.generate_private_key(ec.SECP256R1()), algorithm="ES256"),
    "tampered claims": with_another_role,
    "truncated": lambda: forged()[:-3],
    "unknown key id": lambda: forged(headers={"kid": "unknown"}),
    "no key id": lambda: forged(headers={"kid": ""}),
    "key id that is a path": lambda: forged(headers={"kid": "../../dev/null"}),
    "embedded key": lambda: forged(key=OTHER_KEY, headers={"jwk": Signer(pem(OTHER_KEY)).key_set["keys"][0]}),
    "address of keys": lambda: forged(key=OTHER_KEY, headers={"jku": "https://evil.example/keys"}),
    "an ID token": lambda: forged(headers={"typ": "JWT"}),
    "no type": lambda: forged(headers={"typ": None}),
    "critical extension": lambda: forged(headers={"crit": ["b64"], "b64": False}),
    "another audience": lambda: forged(aud="another"),
    "no audience": lambda: forged(aud=None),
    "another issuer": lambda: forged(iss="another"),
    "no issuer": lambda: forged(iss=None),
    "no expiry": lambda: forged(exp=None),
    "no issue time": lambda: forged(iat=None),
    "no subject": lambda: forged(sub=None),
    "issued in the future": lambda: forged(iat=datetime.now(UTC) + timedelta(minutes=5)),
    "not valid yet": lambda: forged(nbf=datetime.now(UTC) + timedelta(minutes=5)),
    "a subject that is no id": lambda: forged(sub="root"),
    "a role that does not exist": lambda: forged(role="king"),
    "no role": lambda: forged(role=None),
    "nonsense": lambda: "nonsense",
    "nothing": lambda: "",
    "dots": lambda: "..",
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
async def test_a_forged_token_is_refused(attack: Callable[[], str]) -> None:
    with pytest.raises(TokenInvalid):
        await KeyRing(SIGNER.fetch).verify(attack())


async def test_an_expired_token_is_called_expired() -> None:
    long_ago = datetime.now(UTC) - timedelta(hours=1)

    with pytest.raises(TokenExpired):
        await KeyRing(SIGNER.fetch).verify(forged(iat=long_ago, exp=long_ago + timedelta(minutes=15)))


async def test_a_good_token_says_who_its_holder_is() -> None:
    user_id, login_id = uuid4(), uuid4()
    token = SIGNER.access_token(user_id=user_id, role=Role.STAFF, login_id=login_id, at=datetime.now(UTC))

    principal = await KeyRing(SIGNER.fetch).verify(token)

    assert (principal.id, principal.role, principal.session_id) == (user_id, Role.STAFF, login_id)
    assert jwt.get_unverified_header(token) == {"alg": "EdDSA", "typ": "at+jwt", "kid": KEY_ID}


def test_the_key_id_is_the_thumbprint_of_the_standard() -> None:
    """The key and its thumbprint are those of RFC 8037, appendix A.3."""
    secret = base64.urlsafe_b64decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A=")

    signer = Signer(pem(ed25519.Ed25519PrivateKey.from_private_bytes(secret)))

    assert signer.key_set["keys"][0]["kid"] == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_a_key_of_another_kind_cannot_sign() -> None:
    with pytest.raises(KeyUnusable):
        Signer(pem(ec.generate_private_key(ec.SECP256R1())))


def test_every_refresh_token_is_another_and_long_enough() -> None:
    tokens = {refresh_token() for _ in range(100)}

    assert len(tokens) == 100
    assert all(len(base64.urlsafe_b64decode(token + "=")) == 32 for token in tokens)
    assert len({digest(token) for token in tokens}) == 100


def test_every_access_token_has_a_name_of_its_own() -> None:
    user_id, login_id, now = uuid4(), uuid4(), datetime.now(UTC)

    made = [SIGNER.access_token(user_id=user_id, role=Role.ADMIN, login_id=login_id, at=now) for _ in range(2)]

    assert len({jwt.decode(token, options={"verify_signature": False})["jti"] for token in made}) == 2
