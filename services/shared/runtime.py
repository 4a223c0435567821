"""What a running service holds: its sidecar, secrets, database, documents, keys and clock."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Request
from pydantic import BaseModel, ConfigDict

from services.shared.database import Database
from services.shared.documents import Documents, PostgresDocuments
from services.shared.identity import KeyRing
from services.shared.settings import Settings
from services.shared.sidecar import Sidecar

Part = TypeVar("Part")

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC)


class _KeySet(BaseModel):
    model_config = ConfigDict(extra="allow")

    keys: list[dict[str, Any]]


@dataclass(kw_only=True)
class Runtime:
    """The world as a service sees it, entered at the door and passed on as arguments."""

    app_id: str
    sidecar: Sidecar
    secrets: dict[str, str]
    keys: KeyRing
    clock: Clock = utc_now
    databases: list[Database] = field(default_factory=list)
    works_in_background: bool = True
    """Whether the relay and the timers run by themselves; tests step them instead."""
    _parts: dict[type, Any] = field(default_factory=dict)

    @property
    def database(self) -> Database:
        """The service's own database."""
        return self.databases[0]

    @property
    def documents(self) -> Documents:
        """The service's documents."""
        return self.part(PostgresDocuments)

    def add(self, part: object) -> None:
        """Keep something that only this service has (a client, an index), found again by its class."""
        self._parts[type(part)] = part

    def part(self, kind: type[Part]) -> Part:
        """What was kept under this class.

        :raises KeyError: nothing was.
        """
        found: Part = self._parts[kind]
        return found


Start = Callable[[], AbstractAsyncContextManager[Runtime]]
"""How a service comes by its runtime: from the environment, or from a test."""


def runtime_of(app_id: str, settings: Settings | None = None, *, stores: bool = True) -> Start:
    """A runtime from the environment: waits for the sidecar, reads the secrets, opens the database.

    :param stores: False for a service that keeps nothing.
    """

    @asynccontextmanager
    async def start() -> AsyncIterator[Runtime]:
        read = settings or Settings()
        sidecar = Sidecar(
            http_port=read.dapr_http_port,
            grpc_port=read.dapr_grpc_port,
            api_token=read.dapr_api_token.get_secret_value(),
        )
        await sidecar.open()
        try:
            await sidecar.wait_until_ready()
            runtime = Runtime(
                app_id=app_id, sidecar=sidecar, secrets=await sidecar.secrets(), keys=KeyRing(_key_set_from(sidecar))
            )
            if stores:
                runtime.databases.append(Database(runtime.secrets[f"{app_id}-database-url"]))
                runtime.add(PostgresDocuments(runtime.database.engine))
            yield runtime
            for database in runtime.databases:
                await database.close()
        finally:
            await sidecar.close()

    return start


def _key_set_from(sidecar: Sidecar) -> Callable[[], Any]:
    async def fetch() -> dict[str, Any]:
        return (await sidecar.call("user", "GET", "/.well-known/jwks.json", _KeySet)).model_dump()

    return fetch


def runtime(request: Request) -> Runtime:
    """The runtime of the application that a request reached."""
    found: Runtime = request.app.state.runtime
    return found


def part(kind: type[Part]) -> Callable[[Request], Awaitable[Part]]:
    """A dependency on something that this service keeps: `Annotated[Provider, Depends(part(Provider))]`."""

    async def found(request: Request) -> Part:
        return runtime(request).part(kind)

    return found


async def _now(request: Request) -> datetime:
    return runtime(request).clock()


async def _documents(request: Request) -> Documents:
    return runtime(request).documents


async def _sidecar(request: Request) -> Sidecar:
    return runtime(request).sidecar


async def _database(request: Request) -> Database:
    return runtime(request).database


Now = Annotated[datetime, Depends(_now)]
Docs = Annotated[Documents, Depends(_documents)]
OwnSidecar = Annotated[Sidecar, Depends(_sidecar)]
OwnDatabase = Annotated[Database, Depends(_database)]
"""For operations that call out and therefore open two transactions themselves; others take a `Transaction`."""
