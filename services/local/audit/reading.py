"""Reading: one snapshot of each database for the whole audit, and rows in constant memory."""

import contextlib
import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Self

import psycopg
from psycopg.rows import namedtuple_row

from services.local.audit.checks import HISTORY, PROVIDER, Found, Join, Row, Side, Times
from services.local.audit.history import gathered
from services.local.audit.sources import Sources

_ROWS_AT_ONCE = 2000
_PATIENCE = "-c statement_timeout=60s -c work_mem=32MB -c cursor_tuple_fraction=1"
_FOLLOWED = ("product", "user", "inventory", "payment", "order")
"""Whoever follows another's facts is looked at before it, so that nobody seems to know what has not happened yet."""


class Snapshots:
    """Every database and the provider's records, each as it was at one moment."""

    def __init__(self, parameters: Mapping[str, Any], times: Times) -> None:
        """Nothing is open yet."""
        self._parameters = {**parameters, "now": times.now, "before": times.before}
        self._moments = {"now": times.now.timestamp(), "before": times.before.timestamp()}
        self._databases: dict[str, psycopg.Connection[Any]] = {}
        self._records: dict[str, sqlite3.Connection] = {}
        self._stack = contextlib.ExitStack()

    def open(self, sources: Sources) -> Self:
        """Take the snapshots."""
        with contextlib.ExitStack() as stack:
            if sources.histories:
                self._records[HISTORY] = stack.enter_context(contextlib.closing(gathered(sources.histories)))
            if sources.stand_in is not None:
                self._records[PROVIDER] = stack.enter_context(contextlib.closing(_records(sources.stand_in)))
            for service in in_turn(sources.databases):
                self._databases[service] = stack.enter_context(_snapshot(sources.databases[service]))
            for records in self._records.values():
                records.row_factory = _row
            self._stack = stack.pop_all()
        return self

    def __enter__(self) -> Self:
        """They are open already."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of all of them."""
        self._stack.close()

    def missing(self, *services: str) -> set[str]:
        """Those of which there is nothing to ask."""
        return set(services) - self._databases.keys() - self._records.keys()

    def rows(self, service: str, statement: str) -> Iterator[Row]:
        """What a statement finds, some rows at a time."""
        if service in self._records:
            yield from self._records[service].execute(statement, self._moments)
            return
        with self._databases[service].cursor(name=f"audit_{id(statement)}_{id(self)}") as cursor:
            cursor.itersize = _ROWS_AT_ONCE
            cursor.execute(statement.encode(), self._parameters)
            yield from cursor

    def one(self, service: str, statement: str) -> int:
        """The number that a statement answers."""
        return int(next(self.rows(service, statement))[0])

    def joined(self, join: Join) -> Iterator[Found]:
        """Each thing with its row on every side, by the names of the sides."""
        names = tuple(join.sides)
        for found_id, rows in merged(*(self._side(side) for side in join.sides.values())):
            yield Found(id=found_id, **dict(zip(names, rows, strict=True)))

    def _side(self, side: Side) -> Iterator[Row]:
        return self.rows(side.service, side.rows)


def in_turn(services: Iterable[str]) -> list[str]:
    """In which order the services are looked at: first those that nobody is known to follow."""
    return sorted(services, key=lambda service: (service in _FOLLOWED and _FOLLOWED.index(service) + 1, service))


def merged(*sides: Iterable[Row]) -> Iterator[tuple[Any, Sequence[Row | None]]]:
    """Rows that have the same `id`, side by side; every side comes in the order of its unique ids."""
    cursors = [iter(side) for side in sides]
    heads = [next(cursor, None) for cursor in cursors]
    while waiting := [head.id for head in heads if head is not None]:
        least = min(waiting)
        found = [head if head is not None and head.id == least else None for head in heads]
        yield least, found
        heads = [
            next(cursor, None) if taken is not None else head
            for cursor, taken, head in zip(cursors, found, heads, strict=True)
        ]


@contextlib.contextmanager
def _snapshot(url: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(url, row_factory=namedtuple_row, options=_PATIENCE, connect_timeout=10) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        connection.execute("SELECT 1")
        yield connection
        connection.rollback()


def _records(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None, check_same_thread=False)
    connection.execute("BEGIN")
    connection.execute("SELECT 1 FROM object LIMIT 1").fetchall()
    return connection


def _row(cursor: sqlite3.Cursor, values: tuple[Any, ...]) -> Row:
    return _shape(tuple(column[0] for column in cursor.description))(*values)


@cache
def _shape(names: tuple[str, ...]) -> Callable[..., Any]:
    return namedtuple("Row", names, rename=True)  # noqa: PYI024 - the names come with the rows
