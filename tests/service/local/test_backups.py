"""A server that is lost with its disk: what a synchronous receiver has saved of it, and what another has not."""

import asyncio
import shutil
import signal
import subprocess
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from services.local import processes
from services.local.backups import Backups, fetching
from services.local.postgres import Cluster
from services.local.refusals import Refusal
from services.shared.database import Database
from tests.conditions import eventually, free_port

_WAITS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A server of this test's own: it does not outlive it."""
    cluster = Cluster(home=tmp_path, port=free_port(), password="test")
    cluster.prepare()
    yield cluster
    cluster.remove()


@pytest.fixture
def backups(cluster: Cluster) -> Iterator[Backups]:
    backups = Backups(cluster)
    yield backups
    backups.remove()


@dataclass(frozen=True)
class Machine:
    """What runs the server and the receiver."""

    cluster: Cluster
    backups: Backups

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Process]:
        """The server, until the block ends."""
        spec = self.cluster.spec()
        spec = replace(spec, command=(*spec.command, "-c", "fsync=off"))  # the machine itself does not fail here
        process = await processes.spawn(spec, self.cluster.home / "log")
        try:
            await eventually(lambda: asyncio.to_thread(self.cluster.is_ready))
            yield process
        finally:
            await processes.stop(process, spec)

    @asynccontextmanager
    async def receiving(self) -> AsyncIterator[Process]:
        """The receiver, until the block ends."""
        self.backups.prepare()
        spec = self.backups.receiver()
        process = await processes.spawn(spec, self.cluster.home / "receiver.log")
        try:
            await eventually(lambda: asyncio.to_thread(self.streams))
            yield process
        finally:
            await processes.stop(process, spec)

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        """What a statement finds."""
        with psycopg.connect(self.cluster.url(), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def streams(self) -> bool:
        """Whether the receiver gets what is written."""
        return self.rows("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == [(1,)]

    async def lose(self, server: Process) -> None:
        """End the server and its data."""
        server.kill()
        await server.wait()
        shutil.rmtree(self.cluster.data)


@pytest.fixture
def machine(cluster: Cluster, backups: Backups) -> Machine:
    return Machine(cluster, backups)


async def test_what_was_committed_after_the_base_backup_is_there_when_the_server_is_restored(machine: Machine) -> None:
    async with machine.serving() as server, machine.receiving() as receiver:
        machine.backups.require_receiver()
        await eventually(lambda: asyncio.to_thread(machine.backups.is_synchronous))
        machine.backups.take()
        machine.rows("CREATE TABLE kept AS SELECT 1 AS number")
        machine.rows("INSERT INTO kept SELECT generate_series(2, 39)")
        machine.rows("SELECT pg_switch_wal()")
        machine.rows("INSERT INTO kept VALUES (40)")
        await machine.lose(server)
        await receiver.wait()

    machine.backups.restore()

    async with machine.serving():
        machine.backups.end_recovery()
        machine.rows("INSERT INTO kept VALUES (41)")
        assert machine.rows("SELECT count(*), max(number) FROM kept") == [(41, 41)]
        assert machine.rows("SELECT pg_is_in_recovery()") == [(False,)]
        assert machine.rows("SELECT name FROM pg_file_settings WHERE sourcefile LIKE '%auto.conf'") == []


async def test_what_an_asynchronous_receiver_has_not_heard_of_is_lost(machine: Machine) -> None:
    async with machine.serving() as server, machine.receiving() as receiver:
        machine.rows("CREATE TABLE kept AS SELECT 1 AS number")
        machine.backups.take()
        receiver.send_signal(signal.SIGSTOP)
        machine.rows("INSERT INTO kept VALUES (2)")
        await machine.lose(server)
        receiver.kill()

    machine.backups.restore()

    async with machine.serving():
        assert machine.rows("SELECT number FROM kept") == [(1,)]


async def test_a_commit_waits_for_a_receiver_that_is_required_and_does_not_answer(machine: Machine) -> None:
    async with machine.serving(), machine.receiving() as receiver:
        machine.backups.require_receiver()
        await eventually(lambda: asyncio.to_thread(machine.backups.is_synchronous))
        receiver.send_signal(signal.SIGSTOP)

        committing = asyncio.create_task(asyncio.to_thread(machine.rows, "CREATE TABLE kept ()"))
        await eventually(lambda: asyncio.to_thread(lambda: machine.rows(_WAITS) == [(1,)]))
        assert not committing.done()

        receiver.send_signal(signal.SIGCONT)
        assert await committing == []


async def test_a_commit_that_waits_for_the_receiver_is_not_given_up_with_its_request(machine: Machine) -> None:
    async with machine.serving(), machine.receiving() as receiver:
        machine.rows("CREATE TABLE kept (number integer)")
        machine.backups.require_receiver()
        await eventually(lambda: asyncio.to_thread(machine.backups.is_synchronous))
        receiver.send_signal(signal.SIGSTOP)
        database = Database(machine.cluster.url())

        request = asyncio.create_task(_keep(database))
        await eventually(lambda: asyncio.to_thread(lambda: machine.rows(_WAITS) == [(1,)]))
        request.cancel()
        await asyncio.wait([request], timeout=1)
        request.cancel()
        ended, _ = await asyncio.wait([request], timeout=1)
        seen = machine.rows("SELECT number FROM kept")

        receiver.send_signal(signal.SIGCONT)
        await asyncio.wait([request])
        await database.close()
        assert (ended, seen, request.cancelled()) == (set(), [], True)
        assert machine.rows("SELECT number FROM kept") == [(1,)]


async def _keep(database: Database) -> None:
    async with database.begin() as session:
        await session.execute(text("INSERT INTO kept VALUES (1)"))


async def test_a_base_backup_that_has_changed_since_it_was_taken_is_refused(machine: Machine) -> None:
    verify = ("pg_verifybackup", "--quiet", str(machine.backups.base))
    async with machine.serving(), machine.receiving():
        machine.backups.take()
    damaged = machine.backups.base / "PG_VERSION"
    damaged.write_text("17\n")

    with pytest.raises(Refusal, match=r"(?s)damaged.*PG_VERSION"):
        machine.cluster.run(*verify, failure="The base backup is damaged")


def test_without_a_server_there_is_no_base_backup(machine: Machine) -> None:
    with pytest.raises(Refusal, match="There is no base backup"):
        machine.backups.take()


@pytest.mark.parametrize("name", ["log", "it's 100% full"])
@pytest.mark.parametrize("kept", ["0A", "0A.partial"])
def test_a_piece_of_the_log_is_fetched_whether_it_is_full_or_not(tmp_path: Path, name: str, kept: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    (folder / kept).write_text("written ahead")
    command = fetching(folder).replace("%%", "\0").replace("%f", "0A").replace("%p", str(tmp_path / "piece"))

    subprocess.run(["/bin/sh", "-c", command.replace("\0", "%")], check=True)

    assert (tmp_path / "piece").read_text() == "written ahead"
