"""The product service: its routers, its event door, its timers and what it keeps open."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from services.product import subscriptions
from services.product.api import ROUTERS
from services.product.clients import Levels
from services.product.indexing import CHANGES_KEPT_HOURS, Search
from services.product.operations import imports
from services.product.store import changes
from services.product.store.catalogue import open_catalogue
from services.shared import service
from services.shared.bodies import MIB
from services.shared.failpoints import failpoint
from services.shared.grpc_client import GrpcChannel
from services.shared.runtime import Runtime, Start, runtime_of
from services.shared.settings import Settings
from services.shared.timers import Timer

IMPORT_BYTES = 32 * MIB


@asynccontextmanager
async def open_parts(runtime: Runtime) -> AsyncIterator[None]:
    """Open the catalogue's own connections, the search index and the channel to inventory."""
    async with open_catalogue(runtime.database.url) as catalogue, GrpcChannel(runtime.sidecar, "inventory") as channel:
        runtime.add(catalogue)
        runtime.add(Search(catalogue))
        runtime.add(Levels(channel))
        yield


async def follow_changes(runtime: Runtime) -> bool:
    """Bring the search index up to date."""
    return await runtime.part(Search).follow()


async def work_on_imports(runtime: Runtime) -> bool:
    """Do a chunk of an import."""
    async with runtime.database.begin() as session:
        has_worked = await imports.work(session, at=runtime.clock())
    if has_worked:
        failpoint("import.chunk_committed.before_next")
    return has_worked


async def prune_changes(runtime: Runtime) -> bool:
    """Forget the changes that every index has long seen."""
    async with runtime.database.begin() as session:
        await changes.prune(session, hours=CHANGES_KEPT_HOURS)
    return False


TIMERS = (
    Timer(name="search", seconds=0.5, step=follow_changes),
    Timer(name="imports", seconds=0.5, step=work_on_imports),
    Timer(name="changes", seconds=3600, step=prune_changes),
)


def create(start: Start, settings: Settings) -> FastAPI:
    """The application."""
    return service.create_app(
        "product",
        start=start,
        settings=settings,
        routers=ROUTERS,
        events=subscriptions.door,
        timers=TIMERS,
        lifespan=open_parts,
        body_limits={"/products/import": IMPORT_BYTES},
    )


def main() -> None:
    """Serve until told to stop."""
    settings = Settings()
    service.run(create(runtime_of("product", settings), settings), settings, "product")


if __name__ == "__main__":
    main()
