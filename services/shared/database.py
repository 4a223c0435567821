"""The database of a service: an engine, and the transaction that a request, a message or a timer's row is."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import Depends, Request
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, create_async_engine

from services.shared import outbox
from services.shared.connection import DEADLINES, SLACK, Connection
from services.shared.failpoints import failpoint

_OPTIONS = "-c statement_timeout=10000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=15000"


class Database:
    """One PostgreSQL database. `begin` is the only place that commits."""

    def __init__(self, url: str, *, pool: int = 10) -> None:
        """Prepare an engine; nothing is opened until it is used.

        :param url: `postgresql://user:password@host:port/name`.
        """
        self.url = url
        self.engine: AsyncEngine = create_async_engine(
            url.replace("postgresql://", "postgresql+psycopg://", 1),
            pool_size=pool,
            max_overflow=0,
            pool_timeout=5,
            hide_parameters=True,
            connect_args={"options": _OPTIONS, "async_creator_fn": Connection.connect, **DEADLINES},
        )
        event.listen(self.engine.sync_engine, "checkin", _impatient_again)
        self.after_facts: Callable[[], None] = _nothing

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncSession]:
        """A transaction: committed when the block ends, rolled back when it raises."""
        async with AsyncSession(self.engine, expire_on_commit=False) as session:
            async with session.begin() as transaction:
                yield session
                has_facts = await outbox.write(session)
                if has_facts:
                    failpoint("database.facts_written.before_commit")
                await _whatever_comes(transaction.commit())
            if has_facts:
                failpoint("database.facts_committed.before_nudge")
                self.after_facts()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncSession]:
        """For reads that need no transaction: each statement stands alone, which saves two round trips."""
        async with AsyncSession(self.engine.execution_options(isolation_level="AUTOCOMMIT")) as session:
            yield session

    async def ping(self) -> None:
        """Ask the server for a sign of life.

        :raises sqlalchemy.exc.OperationalError: it gives none.
        """
        async with self.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


async def allow(connection: AsyncConnection, *, seconds: int) -> None:
    """Let each statement of the connection's transaction take so long, here and at the server."""
    driver = (await connection.get_raw_connection()).driver_connection
    if isinstance(driver, Connection):
        driver.patience = seconds + SLACK
    await connection.execute(text(f"SET LOCAL statement_timeout = '{seconds}s'"))


def _impatient_again(connection: Any, _: object) -> None:  # noqa: ANN401 - the pool's, or nothing when it is lost
    driver = getattr(connection, "driver_connection", None)
    if isinstance(driver, Connection):
        driver.patience = Connection.patience


async def _whatever_comes(commit: Awaitable[None]) -> None:
    """Wait for a commit until its end, even when whoever wants it gives up.

    One that is cancelled while it waits for a synchronous standby is not undone: everybody sees it, and it would be
    acknowledged to whoever asks next, although it can still be lost.
    https://www.postgresql.org/docs/18/warm-standby.html#SYNCHRONOUS-REPLICATION
    """
    committing, given_up = asyncio.ensure_future(commit), None
    while not committing.done():
        try:
            await asyncio.wait([committing])
        except asyncio.CancelledError as error:
            given_up = error
    committing.result()
    if given_up is not None:
        raise given_up


def _nothing() -> None:
    """Nobody waits for facts."""


async def _transaction(request: Request) -> AsyncIterator[AsyncSession]:
    database: Database = request.app.state.runtime.database
    async with database.begin() as session:
        yield session


Transaction = Annotated[AsyncSession, Depends(_transaction, scope="function")]
"""The request's transaction, committed before the answer leaves: with FastAPI's default scope it would come after."""
