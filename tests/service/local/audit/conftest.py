"""A town that has sold a little, copied for each test that spoils it."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from services.local.audit import Report, Sources, audit
from services.local.postgres import Cluster
from tests.service.conftest import _empty
from tests.service.local.audit import town
from tests.service.payment.banks import running_stand_in

STAND_IN = "stand-in"


@dataclass(frozen=True, kw_only=True)
class Sold:
    """The databases of a town that has sold a little, and what is what in them."""

    cluster: Cluster
    stand_in: Path
    ids: dict[str, Any]

    @property
    def databases(self) -> dict[str, str]:
        return {service: self.cluster.url(f"sold_{service}") for service in town.SERVICES}


@pytest.fixture(scope="session")
def sold(cluster: Cluster, migrated: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sold]:
    """Sold once, by the real code."""
    stand_in = tmp_path_factory.mktemp("provider")

    async def sell() -> dict[str, Any]:
        with running_stand_in(stand_in) as bank:
            async with town.opened(migrated, bank) as opened:
                await town.sell(opened)
                return opened.ids

    for service in town.SERVICES:
        migrated(service)
        _empty(cluster.url(service))
    ids = asyncio.run(sell())
    for service in town.SERVICES:
        _copy(cluster, service, f"sold_{service}")
    yield Sold(cluster=cluster, stand_in=stand_in / "stripe.sqlite", ids=ids)
    for service in town.SERVICES:
        _drop(cluster, f"sold_{service}")


def _copy(cluster: Cluster, old: str, new: str) -> None:
    with psycopg.connect(cluster.url(), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{new}" TEMPLATE "{old}" STRATEGY file_copy')


def _drop(cluster: Cluster, name: str) -> None:
    with psycopg.connect(cluster.url(), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@dataclass
class Case:
    """The town in the hands of one test."""

    sold: Sold
    folder: Path
    sources: Sources
    now: datetime = field(default_factory=lambda: datetime.now(UTC) + timedelta(minutes=5))

    def plant(self, service: str, *statements: str, **more: Any) -> None:
        """Spoil a copy of a database, past every trigger and foreign key."""
        if service == STAND_IN:
            self._plant_at_provider(statements)
            return
        name = f"spoiled_{service}"
        if self.sources.databases[service] == self.sold.databases[service]:
            _copy(self.sold.cluster, f"sold_{service}", name)
            url = self.sold.cluster.url(name)
            self.sources = replace(self.sources, databases={**self.sources.databases, service: url})
        with psycopg.connect(self.sources.databases[service]) as connection:
            connection.execute("SET session_replication_role = replica")
            for statement in statements:
                connection.execute(statement.encode(), {**self.sold.ids, **more} if "%(" in statement else None)

    def _plant_at_provider(self, statements: tuple[str, ...]) -> None:
        copy = self.folder / "stripe.sqlite"
        with closing(sqlite3.connect(self.sold.stand_in)) as old, closing(sqlite3.connect(copy)) as new:
            old.backup(new)
            for statement in statements:
                new.execute(statement, {name: str(value) for name, value in self.sold.ids.items()})
            new.commit()
        self.sources = replace(self.sources, stand_in=copy)

    async def audit(self, **differently: Any) -> Report:
        return await audit(self.sources, now=self.now, **differently)

    async def found(self) -> set[str]:
        """The names of the checks that found something."""
        return {finding.check for finding in (await self.audit()).findings}

    def close(self) -> None:
        for service, url in self.sources.databases.items():
            if url != self.sold.databases[service]:
                _drop(self.sold.cluster, f"spoiled_{service}")


@pytest.fixture
async def case(sold: Sold, tmp_path: Path) -> AsyncIterator[Case]:
    made = Case(sold, tmp_path, Sources(databases=sold.databases, stand_in=sold.stand_in))
    yield made
    made.close()
