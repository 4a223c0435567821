"""The letters, in one SQLite file.

Used on the event loop's thread only. WAL with `synchronous=NORMAL`: a commit survives the process being killed,
and a power cut is not what a mailbox for local runs has to survive.
"""

import json
import sqlite3
from pathlib import Path
from typing import Any

from services.local.mailbox.letters import Letter

_SCHEMA = """
CREATE TABLE IF NOT EXISTS letter (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS recipient (address TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (address, number));
"""


class Records:
    """The database of the mailbox."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(folder / "mailbox.sqlite")
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.executescript(_SCHEMA)

    def close(self) -> None:
        """Give the file back."""
        self._database.close()

    def add(self, letter: Letter, recipients: list[str]) -> None:
        """Keep a letter; it is durable when this returns."""
        with self._database:
            statement = "INSERT INTO letter (id, body) VALUES (?, ?) RETURNING number"
            number = self._database.execute(statement, (letter.id, json.dumps(letter.as_json()))).fetchone()[0]
            addresses = {address.lower() for address in recipients}
            self._database.executemany("INSERT INTO recipient VALUES (?, ?)", [(one, number) for one in addresses])

    def all(self) -> list[dict[str, Any]]:
        """Every letter, oldest first."""
        return self._read("SELECT body FROM letter ORDER BY number", ())

    def to(self, address: str) -> list[dict[str, Any]]:
        """The letters to one address, oldest first."""
        statement = "SELECT body FROM letter JOIN recipient USING (number) WHERE address = ? ORDER BY number"
        return self._read(statement, (address.lower(),))

    def find(self, letter_id: str) -> dict[str, Any] | None:
        """A letter by its id."""
        found = self._read("SELECT body FROM letter WHERE id = ?", (letter_id,))
        return found[0] if found else None

    def _read(self, statement: str, values: tuple[str, ...]) -> list[dict[str, Any]]:
        return [json.loads(row[0]) for row in self._database.execute(statement, values).fetchall()]
