"""Access tokens (RFC 9068 JWTs signed EdDSA) and refresh tokens (random, known here only by their digest)."""

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from services.shared.identity import ALGORITHM, AUDIENCE, ISSUER, Role

ACCESS_SECONDS = 15 * 60
_REFRESH_BYTES = 32


class KeyUnusable(ValueError):
    """The secret `jwt-private-key` is not an Ed25519 key."""


class Signer:
    """Signs access tokens with one Ed25519 key."""

    def __init__(self, pem: str) -> None:
        """Read the private key (PEM, PKCS #8).

        :raises KeyUnusable: it is of another kind.
        """
        key = load_pem_private_key(pem.encode(), password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise KeyUnusable
        self._key = key
        public: dict[str, Any] = jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
        self._headers = {"typ": "at+jwt", "kid": _thumbprint(public)}
        self.key_set = {"keys": [public | {"kid": self._headers["kid"], "alg": ALGORITHM, "use": "sig"}]}

    async def fetch(self) -> Mapping[str, Any]:
        """The public key set, where a key ring asks for one."""
        return self.key_set

    def access_token(self, *, user_id: UUID, role: Role, login_id: UUID, at: datetime) -> str:
        """A token that says who its holder is for 15 minutes."""
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(user_id),
            "role": role,
            "sid": str(login_id),
            "iat": at,
            "exp": at + timedelta(seconds=ACCESS_SECONDS),
            "jti": str(uuid4()),
        }
        return jwt.encode(claims, self._key, ALGORITHM, headers=self._headers)


def _thumbprint(public: Mapping[str, Any]) -> str:
    """The key's own name (RFC 7638): the digest of its required members in order."""
    canonical = json.dumps({name: public[name] for name in ("crv", "kty", "x")}, separators=(",", ":"))
    return base64.urlsafe_b64encode(hashlib.sha256(canonical.encode()).digest()).decode().rstrip("=")


def refresh_token() -> str:
    """A new refresh token: 256 random bits."""
    return secrets.token_urlsafe(_REFRESH_BYTES)


def digest(token: str) -> bytes:
    """What is kept of a refresh token. It is random, so a plain SHA-256 cannot be guessed back."""
    return hashlib.sha256(token.encode()).digest()
