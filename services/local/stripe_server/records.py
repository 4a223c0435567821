"""Everything the stand-in keeps, in one SQLite file.

All of it runs on the event loop's thread without an await between begin and commit, so transactions cannot interleave.
`synchronous=NORMAL` in WAL mode loses nothing when the process is killed, which is what must be survived here, and
spares every call the wait for the disk that only a power cut would need.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from services.local.stripe_server import balance
from services.local.stripe_server.balance import Balance
from services.local.stripe_server.objects import StripeObject

_SCHEMA = """
CREATE TABLE IF NOT EXISTS object (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    created INTEGER NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS object_by_kind ON object (kind, number);
CREATE INDEX IF NOT EXISTS object_by_creation ON object (kind, created);
CREATE INDEX IF NOT EXISTS object_by_source ON object (kind, json_extract(body, '$.source'), number);
CREATE INDEX IF NOT EXISTS object_by_charge ON object (kind, json_extract(body, '$.charge'), number);
CREATE INDEX IF NOT EXISTS object_by_intent ON object (kind, json_extract(body, '$.payment_intent'), number);
CREATE TABLE IF NOT EXISTS answer (
    key TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    status INTEGER NOT NULL,
    body BLOB NOT NULL,
    created REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS delivery (
    event_id TEXT PRIMARY KEY,
    attempts INTEGER NOT NULL DEFAULT 0,
    due REAL NOT NULL,
    delivered REAL
);
CREATE INDEX IF NOT EXISTS delivery_due ON delivery (due) WHERE delivered IS NULL;
CREATE TABLE IF NOT EXISTS scheduled (object_id TEXT PRIMARY KEY, due REAL NOT NULL);
CREATE TABLE IF NOT EXISTS part (
    object_id TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (object_id, name)
);
CREATE TABLE IF NOT EXISTS setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


@dataclass(frozen=True)
class Answer:
    """What was answered under an idempotency key."""

    status: int
    body: bytes
    fingerprint: str


@dataclass(frozen=True)
class Delivery:
    """An event on its way to the webhook."""

    event_id: str
    attempts: int
    body: bytes

    @property
    def event_type(self) -> str:
        """What it tells."""
        event_type: str = json.loads(self.body)["type"]
        return event_type


@dataclass(frozen=True, kw_only=True)
class Page:
    """Which part of a list is asked for."""

    limit: int = 10
    starting_after: str | None = None
    ending_before: str | None = None
    created: tuple[tuple[str, int], ...] = ()
    equal: tuple[tuple[str, str], ...] = ()
    payout: str | None = None


class Records:
    """The database of the stand-in."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(folder / "stripe.sqlite", isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.executescript(_SCHEMA)
        self._database.executescript(balance.SCHEMA)
        self.balance = Balance(self._database)

    def close(self) -> None:
        """Give the file back."""
        self._database.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside happens together or not at all."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def save(self, stripe_object: StripeObject) -> None:
        """Insert an object or replace it as it stands now."""
        self._database.execute(
            "INSERT INTO object (id, kind, created, body) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            (stripe_object["id"], stripe_object["object"], stripe_object["created"], json.dumps(stripe_object)),
        )

    def find(self, kind: str, object_id: str) -> StripeObject | None:
        """An object by its id."""
        statement = "SELECT body FROM object WHERE id = ? AND kind = ?"
        row = self._database.execute(statement, (object_id, kind)).fetchone()
        return self._read(row[0]) if row else None

    @staticmethod
    def _read(body: str) -> StripeObject:
        result: StripeObject = json.loads(body)
        return result

    def page(self, kind: str, page: Page) -> tuple[list[StripeObject], bool]:
        """Objects of a kind, newest first, and whether there are more."""
        backwards = page.ending_before is not None
        conditions, values = _conditions(page)
        order = "ORDER BY number" if backwards else "ORDER BY number DESC"
        statement = " ".join(["SELECT body FROM object WHERE kind = ?", *conditions, order, "LIMIT ?"])
        rows = self._database.execute(statement, (kind, *values, page.limit + 1)).fetchall()
        found = [self._read(row[0]) for row in rows[: page.limit]]
        return (found[::-1] if backwards else found), len(rows) > page.limit

    def find_answer(self, key: str, *, since: float) -> Answer | None:
        """What was answered under a key, unless it is so old that Stripe would have pruned it."""
        statement = "SELECT status, body, fingerprint FROM answer WHERE key = ? AND created >= ?"
        row = self._database.execute(statement, (key, since)).fetchone()
        return Answer(*row) if row else None

    def keep_answer(self, key: str, answer: Answer, *, now: float) -> None:
        """Store the first answer under a key."""
        self._database.execute(
            "INSERT OR REPLACE INTO answer (key, fingerprint, status, body, created) VALUES (?, ?, ?, ?, ?)",
            (key, answer.fingerprint, answer.status, answer.body, now),
        )

    def queue(self, event: StripeObject, *, now: float) -> None:
        """Keep an event and owe its delivery."""
        self.save(event)
        self._database.execute("INSERT INTO delivery (event_id, due) VALUES (?, ?)", (event["id"], now))

    def lease(self, *, now: float, until: float, limit: int) -> list[Delivery]:
        """Take deliveries that are due; who takes one and dies loses it again at `until`."""
        rows = self._database.execute(
            "UPDATE delivery SET attempts = attempts + 1, due = ? WHERE event_id IN"
            " (SELECT event_id FROM delivery WHERE delivered IS NULL AND due <= ? ORDER BY due LIMIT ?)"
            " RETURNING event_id, attempts, (SELECT body FROM object WHERE id = event_id)",
            (until, now, limit),
        ).fetchall()
        return [Delivery(event_id, attempts, body.encode()) for event_id, attempts, body in rows]

    def delivered(self, event_id: str, *, now: float) -> None:
        """The webhook has confirmed an event."""
        self._database.execute("UPDATE delivery SET delivered = ? WHERE event_id = ?", (now, event_id))

    def postpone(self, event_id: str, *, due: float) -> None:
        """Try a delivery again later."""
        self._database.execute("UPDATE delivery SET due = ? WHERE event_id = ?", (due, event_id))

    def release(self, *, now: float, later_than: float) -> None:
        """What was to be delivered after a moment is due at once."""
        self._database.execute("UPDATE delivery SET due = ? WHERE delivered IS NULL AND due > ?", (now, later_than))

    def schedule(self, object_id: str, *, due: float) -> None:
        """Something is going to happen to an object by itself; the first appointment stands."""
        self._database.execute("INSERT OR IGNORE INTO scheduled (object_id, due) VALUES (?, ?)", (object_id, due))

    def take_scheduled(self, *, now: float) -> tuple[str, float] | None:
        """The first object to which something should have happened by now, and when."""
        row: tuple[str, float] | None = self._database.execute(
            "DELETE FROM scheduled WHERE object_id = (SELECT object_id FROM scheduled WHERE due <= ?"
            " ORDER BY due, object_id LIMIT 1) RETURNING object_id, due",
            (now,),
        ).fetchone()
        return row

    def keep_part(self, object_id: str, name: str, body: object) -> None:
        """Keep what belongs to an object without being shown with it."""
        statement = "INSERT INTO part (object_id, name, body) VALUES (?, ?, ?)"
        self._database.execute(statement, (object_id, name, json.dumps(body)))

    def find_part(self, object_id: str, name: str) -> Any:  # noqa: ANN401 - what was kept
        """What was kept with an object."""
        statement = "SELECT body FROM part WHERE object_id = ? AND name = ?"
        return json.loads(self._database.execute(statement, (object_id, name)).fetchone()[0])

    def find_setting(self, name: str) -> str | None:
        """What was decided while the stand-in ran."""
        row = self._database.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else None

    def keep_setting(self, name: str, value: str) -> None:
        """Decide something for this process and the next."""
        self._database.execute("INSERT OR REPLACE INTO setting (name, value) VALUES (?, ?)", (name, value))

    def next_due(self) -> float | None:
        """When there is something to do again."""
        statement = (
            "SELECT min(due) FROM (SELECT min(due) AS due FROM delivery WHERE delivered IS NULL"
            " UNION ALL SELECT min(due) FROM scheduled)"
        )
        row = self._database.execute(statement).fetchone()
        return float(row[0]) if row[0] is not None else None


def _conditions(page: Page) -> tuple[list[str], list[str | int]]:
    """SQL for the part of a list that is asked for; signs and names come from fixed tables, values are bound."""
    conditions: list[str] = []
    values: list[str | int] = []
    if page.starting_after is not None:
        conditions.append("AND number < (SELECT number FROM object WHERE id = ?)")
        values.append(page.starting_after)
    if page.ending_before is not None:
        conditions.append("AND number > (SELECT number FROM object WHERE id = ?)")
        values.append(page.ending_before)
    for sign, moment in page.created:
        conditions.append(f"AND created {sign} ?")
        values.append(moment)
    if page.payout is not None:
        conditions.append("AND id IN (SELECT movement_id FROM settlement WHERE payout_id = ?)")
        values.append(page.payout)
    for name, value in page.equal:
        conditions.append(f"AND json_extract(body, '$.{name}') = ?")
        values.append(value)
    return conditions, values
