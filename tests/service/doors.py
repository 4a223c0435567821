"""What a service test needs to use an application through its real doors."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx2
import jwt
import psycopg
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI
from psycopg.rows import dict_row

from services.contracts.events import Event
from services.shared.database import Database
from services.shared.documents import PostgresDocuments
from services.shared.identity import ALGORITHM, AUDIENCE, ISSUER, KeyRing, Role
from services.shared.runtime import Runtime, Start
from services.shared.settings import Settings
from services.shared.sidecar_double import SidecarDouble

SETTINGS = Settings(
    app_port=1, dapr_http_port=1, dapr_grpc_port=1, app_api_token="app-token", dapr_api_token="api-token"
)

Create = Callable[[Start, Any], FastAPI]


@dataclass
class Clock:
    """A clock that moves only when told to."""

    now: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


class Tokens:
    """Signs access tokens as the user service does."""

    def __init__(self) -> None:
        self.key = Ed25519PrivateKey.generate()
        public = json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(self.key.public_key()))
        self.key_set = {"keys": [public | {"kid": "test", "alg": ALGORITHM, "use": "sig"}]}
        self.keys = KeyRing(self._fetch)

    async def _fetch(self) -> dict[str, Any]:
        return self.key_set

    def of(self, role: Role = Role.CUSTOMER, user_id: UUID | None = None, **claims: Any) -> str:
        now = datetime.now(UTC)
        whole = {"iss": ISSUER, "aud": AUDIENCE, "sub": str(user_id or uuid4()), "role": role, "iat": now}
        whole |= {"exp": now + timedelta(minutes=15), "jti": str(uuid4())} | claims
        return jwt.encode(whole, self.key, ALGORITHM, headers={"kid": "test", "typ": "at+jwt"})

    def headers(self, role: Role = Role.CUSTOMER, user_id: UUID | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.of(role, user_id)}"}


class Client(httpx2.AsyncClient):
    """The sidecar's side of an application."""

    runtime: Runtime

    async def deliver(self, event: Event, **letter: Any) -> str:
        """Deliver an event as the sidecar would; answers what the application told it."""
        whole = {"id": str(event.event_id), "type": event.TYPE, "topic": event.TOPIC, "specversion": "1.0"}
        whole |= {"data": event.model_dump(mode="json")} | letter
        answer = await self.post(f"/events/{event.TOPIC}", json=whole)
        return str(answer.json()["status"])

    async def facts(self) -> list[dict[str, Any]]:
        """The outbox's rows, oldest first."""
        return await self.rows("SELECT * FROM outbox ORDER BY id")

    async def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        """What a query finds, asked on a connection of its own."""
        async with await psycopg.AsyncConnection.connect(
            self.runtime.database.url, autocommit=True, row_factory=dict_row
        ) as connection:
            cursor = await connection.execute(query, values or None)
            return await cursor.fetchall() if cursor.description else []


@dataclass
class World:
    """Where a test's runtimes come from."""

    database_of: Callable[[str], str]
    sidecar: SidecarDouble
    tokens: Tokens
    clock: Clock

    def start(self, app_id: str, *, secrets: dict[str, str] | None = None) -> Start:
        url = self.database_of(app_id)

        @asynccontextmanager
        async def start() -> AsyncIterator[Runtime]:
            runtime = Runtime(
                app_id=app_id,
                sidecar=self.sidecar,
                secrets=secrets or {},
                keys=self.tokens.keys,
                clock=self.clock,
                databases=[Database(url)],
                works_in_background=False,
            )
            runtime.add(PostgresDocuments(runtime.database.engine))
            yield runtime
            await runtime.database.close()

        return start

    @asynccontextmanager
    async def serve(
        self, app_id: str, create: Create, *, settings: Any = SETTINGS, secrets: dict[str, str] | None = None
    ) -> AsyncIterator[Client]:
        app = create(self.start(app_id, secrets=secrets), settings)
        headers = {"dapr-api-token": SETTINGS.app_api_token.get_secret_value()}
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            Client(transport=transport, base_url=f"http://{app_id}", headers=headers) as client,
        ):
            client.runtime = app.state.runtime
            yield client


Serve = Callable[..., AbstractAsyncContextManager[Client]]
