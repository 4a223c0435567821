"""Who asks. A user is known by a token that every service verifies itself, a peer service by its sidecar.

Authorization is a type in the signature: an endpoint takes a `Customer`, a `Staff`, an `Admin`, a `Peer` or `Anyone`,
and an application with an endpoint that takes none of them does not start.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import jwt
from fastapi import Depends, FastAPI, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from services.shared.errors import Forbidden, Unauthenticated

ISSUER = "sidecart"
AUDIENCE = "sidecart"
ALGORITHM = "EdDSA"
LEEWAY_SECONDS = 5
_REFETCH_SECONDS = 5.0
_MOST_REMEMBERED = 4096


class Role(StrEnum):
    """What a user may do; each role includes the ones before it."""

    CUSTOMER = "customer"
    STAFF = "staff"
    ADMIN = "admin"


_RANK = {role: rank for rank, role in enumerate(Role)}


@dataclass(frozen=True, kw_only=True)
class Principal:
    """A user whose token was verified; the token travels on with calls that are made for them."""

    id: UUID
    role: Role
    token: str = field(repr=False)
    session_id: UUID | None = None
    """The login (refresh family) that the token belongs to."""

    @property
    def is_staff(self) -> bool:
        """Whether they see more than their own."""
        return self.can(Role.STAFF)

    def can(self, role: Role) -> bool:
        """Whether their role includes this one."""
        return _RANK[self.role] >= _RANK[role]

    def __str__(self) -> str:
        """For the history: `customer:<id>`."""
        return f"{self.role}:{self.id}"


@dataclass(frozen=True, kw_only=True)
class PeerService:
    """Another service that calls without a user; access control at the sidecar has admitted it by name."""

    app_id: str

    def __str__(self) -> str:
        """For the history: `service:<app id>`."""
        return f"service:{self.app_id}"


class TokenExpired(Unauthenticated):
    """The access token has expired."""


class TokenInvalid(Unauthenticated):
    """The access token is not valid."""


KeySetSource = Callable[[], Awaitable[Mapping[str, Any]]]


class KeyRing:
    """The public keys that sign access tokens, fetched when first needed and again for an unknown key id.

    A token that was found good stays good until it expires: checking a signature costs more than all else in a read.
    """

    def __init__(self, fetch: KeySetSource) -> None:
        """`fetch` answers a JSON Web Key Set (RFC 7517)."""
        self._fetch = fetch
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched_at = float("-inf")
        self._verified: dict[str, tuple[float, Principal]] = {}

    async def verify(self, token: str) -> Principal:
        """The principal of an access token (RFC 9068: `typ` is `at+jwt`).

        :raises TokenExpired: its time is over.
        :raises TokenInvalid: anything else is wrong with it.
        """
        expires_at, principal = self._verified.get(token, (0.0, None))
        if principal is not None and time.time() < expires_at:
            return principal
        claims = await self._claims(token)
        principal = _principal(claims, token)
        if len(self._verified) >= _MOST_REMEMBERED:
            self._verified.clear()
        self._verified[token] = float(claims["exp"]), principal
        return principal

    async def _claims(self, token: str) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            key = await self._key(str(header.get("kid")))
            if header.get("typ") != "at+jwt" or key is None:
                raise TokenInvalid
            return jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "sub", "iss", "aud"]},
            )
        except jwt.ExpiredSignatureError as error:
            raise TokenExpired from error
        except jwt.InvalidTokenError as error:
            raise TokenInvalid from error

    async def _key(self, key_id: str) -> jwt.PyJWK | None:
        if key_id not in self._keys and time.monotonic() - self._fetched_at > _REFETCH_SECONDS:
            found = await self._fetch()
            self._fetched_at = time.monotonic()
            self._verified.clear()
            self._keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(dict(found)).keys if key.key_id}
        return self._keys.get(key_id)


def _principal(claims: Mapping[str, Any], token: str) -> Principal:
    try:
        session_id = UUID(claims["sid"]) if "sid" in claims else None
        return Principal(id=UUID(claims["sub"]), role=Role(claims["role"]), token=token, session_id=session_id)
    except (ValueError, KeyError) as error:
        raise TokenInvalid from error


_bearer = HTTPBearer(auto_error=False, description="An access token from `POST /users/login`.")
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


async def _customer(request: Request, credentials: Credentials) -> Principal:
    if credentials is None:
        raise Unauthenticated
    keys: KeyRing = request.app.state.runtime.keys
    return await keys.verify(credentials.credentials)


Customer = Annotated[Principal, Depends(_customer)]
"""Any signed-in user."""


async def _staff(principal: Customer) -> Principal:
    return _at_least(principal, Role.STAFF)


async def _admin(principal: Customer) -> Principal:
    return _at_least(principal, Role.ADMIN)


def _at_least(principal: Principal, role: Role) -> Principal:
    if not principal.can(role):
        raise Forbidden
    return principal


Staff = Annotated[Principal, Depends(_staff)]
"""Staff or admin."""
Admin = Annotated[Principal, Depends(_admin)]
"""Admin only."""


async def _visitor(request: Request, credentials: Credentials) -> Principal | None:
    return await _customer(request, credentials) if credentials is not None else None


Visitor = Annotated[Principal | None, Depends(_visitor)]
"""A signed-in user or a guest; a token that is sent must be good."""


async def _peer(request: Request) -> PeerService:
    return PeerService(app_id=caller(request.headers.getlist("dapr-caller-app-id")))


def caller(values: list[str]) -> str:
    """The calling application: the callee's sidecar appends its name, so a forged one comes first and the last counts.

    :raises Forbidden: nobody is named.
    """
    if not values:
        raise Forbidden
    return values[-1].rsplit(",", 1)[-1].strip()


Peer = Annotated[PeerService, Depends(_peer)]
"""Another service, without a user."""


async def _anyone() -> None:
    """No identity is asked for."""


Anyone = Annotated[None, Depends(_anyone)]
"""Everybody, said on purpose."""

_DECLARATIONS = frozenset({_customer, _staff, _admin, _visitor, _peer, _anyone})


class EndpointUndeclared(RuntimeError):
    """An endpoint does not say in its signature who may call it."""


def demand_declared(app: FastAPI) -> None:
    """Refuse to start with an endpoint that does not say who may call it.

    :raises EndpointUndeclared: there is one.
    """
    for route in app.routes:
        if isinstance(route, APIRoute) and not _declares(route.dependant):
            raise EndpointUndeclared(f"{sorted(route.methods or ())} {route.path}")


def _declares(dependant: Dependant) -> bool:
    return dependant.call in _DECLARATIONS or any(map(_declares, dependant.dependencies))
