"""Backups of the PostgreSQL server: a base backup, the write-ahead log as it is written, and a server made of both.

While the receiver of the log is a synchronous standby, a commit is acknowledged when it is on two disks: a server that
is lost with its own has lost nothing that anybody was told. https://www.postgresql.org/docs/18/continuous-archiving.html
"""

import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from services.local.postgres import Cluster
from services.local.processes import Spec
from services.local.state import Kind
from services.local.topology import LOOPBACK

RECEIVER = "receiver"
"""The name of the receiver's process, of its slot, and of the standby that it is."""

_IS_SYNCHRONOUS = """
SELECT EXISTS (
    SELECT FROM pg_stat_replication WHERE application_name = %s AND state = 'streaming' AND sync_state = 'sync'
)
"""


@dataclass(frozen=True)
class Backups:
    """What is kept of a cluster: in a folder beside its own, never within."""

    cluster: Cluster

    @property
    def folder(self) -> Path:
        """Where all of it is."""
        return self.cluster.folder.with_name(f"{self.cluster.folder.name}-backups")

    @property
    def base(self) -> Path:
        """The base backup."""
        return self.folder / "base"

    @property
    def log(self) -> Path:
        """The write-ahead log, as it was received."""
        return self.folder / "log"

    def prepare(self) -> None:
        """Make room for backups, and have the server keep its log until the receiver has it.

        :raises Refusal: the server refuses.
        """
        self.cluster.make(self.folder)
        self.log.mkdir(mode=0o700)
        self.cluster.give_away(self.log)
        self.cluster.run(
            *("pg_receivewal", f"--dbname={self._server}", "--create-slot", f"--slot={RECEIVER}"),
            failure="The server keeps no slot for the receiver",
        )

    def receiver(self) -> Spec:
        """How to run what receives the log: it ends when the server does, with all that it was sent on its disk."""
        command = (
            *(str(self.cluster.binaries / "pg_receivewal"), f"--dbname={self._server}", f"--directory={self.log}"),
            *(f"--slot={RECEIVER}", "--synchronous", "--no-loop"),
        )
        return Spec(
            name=RECEIVER,
            kind=Kind.STORE,
            command=command,
            url="",
            probe="",
            ports=(),
            env={"PGPASSWORD": self.cluster.password},
            cwd=Path("/"),
            account=self.cluster.account,
        )

    def require_receiver(self) -> None:
        """From now on acknowledge no commit that the receiver has not on its disk."""
        self._configure({"synchronous_standby_names": RECEIVER})

    def is_synchronous(self) -> bool:
        """Whether the receiver is there, and commits wait for it."""
        with psycopg.connect(self.cluster.url()) as connection:
            found = connection.execute(_IS_SYNCHRONOUS, [RECEIVER]).fetchone()
        return bool(found and found[0])

    def take(self) -> None:
        """Take a base backup of the running server, and verify it against its manifest and its log.

        :raises Refusal: it could not be taken, or is not what the server sent.
        """
        self.cluster.run(
            *("pg_basebackup", f"--dbname={self._server}", f"--pgdata={self.base}", "--checkpoint=fast"),
            failure="There is no base backup",
        )
        self.cluster.run("pg_verifybackup", "--quiet", str(self.base), failure="The base backup is damaged")

    def restore(self) -> None:
        """Put a server that has lost its data directory together again: it replays the log when it starts.

        What is under the directory's name is whole at once, because the supervisor may start it at any moment.
        """
        draft = self.cluster.folder / "restored"
        shutil.rmtree(draft, ignore_errors=True)
        self.cluster.run("/bin/cp", "-a", str(self.base), str(draft), failure="The base backup could not be copied")
        signal = draft / "recovery.signal"
        signal.touch()
        self.cluster.give_away(signal)
        with (draft / "postgresql.auto.conf").open("a") as settings:
            settings.writelines(f"{name} = {_quoted(value)}\n" for name, value in self._recovery().items())
        draft.rename(self.cluster.data)

    def end_recovery(self) -> None:
        """Forget, once the server is back, how it was restored."""
        self._configure(dict.fromkeys(self._recovery()))

    def remove(self) -> None:
        """Delete all of it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _server(self) -> str:
        """Without the password, which everybody could read in a command."""
        return f"postgresql://postgres@{LOOPBACK}:{self.cluster.port}/?application_name={RECEIVER}"

    def _recovery(self) -> Mapping[str, str]:
        """The settings of a server that is being restored.

        Nobody may read before everything is there. A base backup has the settings of its server, so one that was taken
        while the receiver was required would wait for it for ever.
        """
        return {
            "restore_command": fetching(self.log),
            "hot_standby": "off",
            "synchronous_standby_names": "",
        }

    def _configure(self, values: Mapping[str, str | None]) -> None:
        """Change settings at run time; those without a value are as if they had never been changed."""
        with psycopg.connect(self.cluster.url(), autocommit=True) as connection:
            for name, value in values.items():
                change = sql.SQL("RESET {}") if value is None else sql.SQL("SET {} = {}")
                parts = [sql.Identifier(name)] if value is None else [sql.Identifier(name), sql.Literal(value)]
                connection.execute(sql.SQL("ALTER SYSTEM ") + change.format(*parts))
            connection.execute("SELECT pg_reload_conf()")


def fetching(log: Path) -> str:
    """The command by which a server that recovers fetches a piece of its log.

    The last one, which nobody has finished, has another name until it is full.
    """
    folder = shlex.quote(str(log)).replace("%", "%%")
    return f'cp {folder}/%f "%p" || cp {folder}/%f.partial "%p"'


def _quoted(value: str) -> str:
    """As a server's configuration has it."""
    escaped = value.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"
