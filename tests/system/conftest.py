"""One whole system for all journeys: real Dapr with mutual TLS, real PostgreSQL, fresh data, free ports."""

import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from http import HTTPStatus

import psycopg
import pytest
from psycopg.rows import dict_row

from services.local.customer import client
from services.local.customer.actors import Cast, Json
from services.local.customer.narration import eventually
from services.local.customer.place import Place, at_offset
from services.local.plan import Plan
from services.local.state import ELSEWHERE
from services.local.system import System
from services.local.topology import ROOT


@pytest.fixture(scope="session")
def system() -> Iterator[System]:
    with System.start(env={"SIDECART_RATE_LIMIT_FACTOR": "1000"}) as running:
        yield running


@pytest.fixture
def place(system: System) -> Place:
    return at_offset(system.state, system.offset)


@pytest.fixture
async def cast(place: Place) -> AsyncIterator[Cast]:
    async with client.connected(place.base_url) as api:
        yield await Cast.gathered(api, place)


@dataclass(frozen=True)
class Databases:
    """The system's databases, looked into from outside."""

    system: System

    def rows(self, service: str, query: str, *values: object) -> list[Json]:
        """What a query finds, on a connection of its own."""
        url = Plan(self.system.state, self.system.ports).cluster.url(service)
        with psycopg.connect(url, autocommit=True, row_factory=dict_row) as connection:
            cursor = connection.execute(query, values or None)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture
def databases(system: System) -> Databases:
    return Databases(system)


@dataclass(frozen=True)
class Shop:
    """What staff do to prepare a test."""

    cast: Cast

    async def lamp(self, on_hand: int, price: str = "20.00") -> Json:
        """A new product with its stock booked; answers the stock."""
        sku = f"LAMP-{secrets.token_hex(6)}"
        body = {"sku": sku, "name": "A lamp", "price": {"amount": price, "currency": "EUR"}, "on_hand": on_hand}
        product = (await self.cast.staff.call("POST", "/products", json=body)).expect(HTTPStatus.CREATED)
        return await eventually(
            lambda: self.cast.stock(product["id"]),
            lambda stock: stock["version"] > 0,
            what="the opening stock being booked",
        )


@pytest.fixture
def shop(cast: Cast) -> Shop:
    return Shop(cast)


def sidecart(system: System, *arguments: str, code: int = 0) -> str:
    """What a command says about the system."""
    done = subprocess.run(
        (sys.executable, "-m", "services.local", *arguments),
        cwd=ROOT,
        env=os.environ | {ELSEWHERE: str(system.state_dir)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout
