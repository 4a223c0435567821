"""A toy service that has nothing but the plumbing."""

from collections.abc import Callable

import psycopg
import pytest

from services.local.postgres import Cluster
from services.shared.migrate import create_plumbing, follow_producers, maintain_plumbing


class _Operations:
    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def execute(self, statement: str) -> None:
        self._connection.execute(statement)


@pytest.fixture(scope="session")
def toy(cluster: Cluster) -> str:
    cluster.create_databases(["toy"], {"toy-database-password": "test"})
    url = cluster.url("toy").replace("postgres:test@", "toy:test@")
    with psycopg.connect(url) as connection:
        create_plumbing(_Operations(connection))
        maintain_plumbing(_Operations(connection))
        follow_producers(_Operations(connection))
        connection.execute("CREATE TABLE lamp (id uuid PRIMARY KEY, seen integer NOT NULL DEFAULT 0)")
    return url


@pytest.fixture
def database_of(toy: str) -> Callable[[str], str]:
    with psycopg.connect(toy) as connection:
        connection.execute("TRUNCATE outbox, inbox, parked_letter, document, caught_up, lamp RESTART IDENTITY")
    return lambda _: toy
