"""One PostgreSQL per test worker, one database per service in it, built by the real migrations."""

import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import psycopg
import pytest

from services.local.postgres import Cluster
from services.local.processes import dies_with_parent
from services.shared.migrate import upgrade
from services.shared.sidecar_double import SidecarDouble
from tests.conditions import free_port, wait_until
from tests.service.doors import Clock, Serve, Tokens, World

_FAST = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A running server whose data goes with the test."""
    home: Path = tmp_path_factory.mktemp("postgres")
    cluster = Cluster(home=home, port=free_port(), password="test")
    cluster.prepare()
    spec, account = cluster.spec(), cluster.account
    uid, gid = (account.uid, account.gid) if account else (None, None)
    command = (*spec.command, *_FAST)
    guard = dies_with_parent(spec.last_signal)
    with (
        (home / "log").open("wb") as log,
        subprocess.Popen(
            command,
            cwd="/",
            stderr=log,
            user=uid,
            group=gid,
            preexec_fn=guard,  # noqa: PLW1509 - one system call
        ) as server,
    ):
        wait_until(cluster.is_ready)
        yield cluster
        server.send_signal(spec.stop_signal)
    cluster.remove()


@pytest.fixture(scope="session")
def migrated(cluster: Cluster) -> Callable[[str], str]:
    """The address of a service's database, migrated when it is first asked for."""
    urls: dict[str, str] = {}

    def url_of(service: str) -> str:
        if service not in urls:
            cluster.create_databases([service], {f"{service}-database-password": "test"})
            urls[service] = cluster.url(service).replace("postgres:test@", f"{service}:test@")
            upgrade(service, urls[service])
        return urls[service]

    return url_of


@pytest.fixture(scope="session")
def emptied(migrated: Callable[[str], str]) -> Callable[[str], str]:
    """The address of a service's database, which every call empties."""

    def url_of(service: str) -> str:
        url = migrated(service)
        _empty(url.replace(f"{service}:test@", "postgres:test@"))
        return url

    return url_of


@pytest.fixture
def database_of(emptied: Callable[[str], str]) -> Callable[[str], str]:
    """The address of a service's database, empty when the test first asks for it."""
    return cache(emptied)


def _empty(url: str) -> None:
    """The server's own user may do what the application's must not: empty what only grows."""
    with psycopg.connect(url) as connection:
        connection.execute("SET session_replication_role = replica")
        found = connection.execute(
            "SELECT string_agg(quote_ident(tablename), ',') FROM pg_tables"
            " WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
        ).fetchone()
        connection.execute(f"TRUNCATE {found[0] if found else ''} RESTART IDENTITY CASCADE")


@pytest.fixture
def sidecar() -> SidecarDouble:
    return SidecarDouble()


@pytest.fixture(scope="session")
def tokens() -> Tokens:
    return Tokens()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def world(database_of: Callable[[str], str], sidecar: SidecarDouble, tokens: Tokens, clock: Clock) -> World:
    return World(database_of, sidecar, tokens, clock)


@pytest.fixture
def serve(world: World) -> Serve:
    return world.serve
