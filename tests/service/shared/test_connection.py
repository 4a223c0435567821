"""A connection whose answers are swallowed ends; what its server works on patiently does not."""

import asyncio
from collections.abc import AsyncIterator, Callable

import psycopg
import pytest
import sqlalchemy.exc
from sqlalchemy import text

from services.shared import connection
from services.shared.connection import Connection
from services.shared.database import Database, allow
from tests.service.line import Line, line_to

SLEEPS = text("SELECT pg_sleep(0.4)")


@pytest.fixture
async def line(database_of: Callable[[str], str]) -> AsyncIterator[Line]:
    async with line_to(database_of("toy")) as one:
        yield one


@pytest.fixture
async def database(line: Line) -> AsyncIterator[Database]:
    database = Database(line.url, pool=1)
    yield database
    await database.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connection, "patience", 0.2)


@pytest.mark.usefixtures("impatient")
async def test_a_statement_whose_answer_is_swallowed_ends_and_the_pool_is_whole(line: Line, database: Database) -> None:
    await database.ping()
    line.swallows_after = [b"SELECT 1"]

    async with asyncio.timeout(5):
        with pytest.raises(sqlalchemy.exc.OperationalError):
            await database.ping()
        await database.ping()

    assert line.swallowed > 0


@pytest.mark.usefixtures("impatient")
async def test_a_plain_connection_ends_too(line: Line) -> None:
    line.swallows_after = [b"SELECT 1"]

    async with asyncio.timeout(5), await Connection.connect(line.url, autocommit=True) as plain:
        with pytest.raises(psycopg.OperationalError):
            await plain.execute("SELECT 1")

        assert plain.closed


@pytest.mark.usefixtures("impatient")
async def test_a_transaction_may_be_allowed_more_and_the_next_one_may_not(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "SLACK", 0.2)
    async with database.begin() as session:
        await allow(await session.connection(), seconds=5)
        await session.execute(SLEEPS)

    with pytest.raises(sqlalchemy.exc.OperationalError):
        async with database.begin() as session:
            await session.execute(SLEEPS)


async def test_the_server_itself_gives_a_statement_up_before(database: Database) -> None:
    async with database.begin() as session:
        (milliseconds,) = (
            await session.execute(text("SELECT setting FROM pg_settings WHERE name = 'statement_timeout'"))
        ).one()

    assert int(milliseconds) / 1000 < Connection.patience
