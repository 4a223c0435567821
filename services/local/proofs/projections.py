"""What is assembled from facts: all of it is deleted, the facts are published again, and it must be as it was."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import sql

from services.local.audit import sources_of
from services.local.audit.replay import Replay
from services.local.events.stores import Urls
from services.local.system import System

TABLES: Mapping[str, LiteralString] = {"order": "document", "notification": "document", "product": "availability"}
"""Of each service the table in which others' facts are assembled."""

Rows = Counter[tuple[str, str]]
"""Rows as they are, each with its service."""


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """How many rows there were, how many of them are there again as they were, and how many are not as any was."""

    rows: int
    equal: int
    others: int

    @classmethod
    def between(cls, before: Rows, after: Rows) -> "Rebuilt":
        """What the comparison of all rows comes to."""
        return cls(rows=before.total(), equal=(before & after).total(), others=(after - before).total())

    @property
    def is_equal(self) -> bool:
        """Whether there was something, and exactly that is there again."""
        return self.rows > 0 and self.equal == self.rows and self.others == 0

    @property
    def told(self) -> str:
        """In words."""
        others = f" and {self.others} that were not there" if self.others else ""
        return f"{self.equal:,} of {self.rows:,} documents rebuilt equal{others}"


async def rebuilt(system: System, *, within: float) -> Rebuilt:
    """Delete them all, and have them made anew from the first fact on.

    :param within: seconds that the system has to come to rest, before and after.
    :raises NotAtRest: it does not.
    """
    replay = Replay.of(system, sources_of(system))
    await replay.rest(within=within)
    before = shown(replay.databases)
    forget(replay.databases)
    await replay.publish_again(within=within)
    return Rebuilt.between(before, shown(replay.databases))


def shown(urls: Urls) -> Rows:
    """Every row that there is now."""
    return Counter((service, row) for service, table in TABLES.items() for row in _rows(urls[service], table))


def forget(urls: Urls) -> None:
    """Delete every row."""
    for service, table in TABLES.items():
        with psycopg.connect(urls[service], autocommit=True) as connection:
            connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))


def _rows(url: str, table: LiteralString) -> Iterator[str]:
    everything = sql.SQL("SELECT to_jsonb(one)::text FROM {} AS one").format(sql.Identifier(table))
    with psycopg.connect(url, autocommit=True) as connection:
        for (row,) in connection.execute(everything):
            yield str(row)
