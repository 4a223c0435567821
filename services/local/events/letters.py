"""The dead letters of all services: what could not be handled, is being tried again, or waits for a person."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.rows import dict_row

from services.local.events.stores import Urls
from services.local.refusals import Refusal

_ALL = """
SELECT id, topic, letter->>'type' AS type, state, attempts, parked_at, next_at, letter
FROM parked_letter WHERE id = coalesce(%(id)s, id) ORDER BY parked_at, id
"""
_REPLAY = """
UPDATE parked_letter SET state = 'parked', attempts = 0, parked_at = now(), next_at = now()
WHERE id = coalesce(%(id)s, id)
"""
_DROP = "DELETE FROM parked_letter WHERE id = %(id)s"


class LetterUnknown(Refusal):
    """No service has parked a letter of this id."""


@dataclass(frozen=True, kw_only=True)
class ParkedLetter:
    """A letter as a service has parked it. `state` is `parked` (tried again at `next_at`) or `dead` (nobody tries)."""

    service: str
    id: UUID
    topic: str
    type: str | None
    state: str
    attempts: int
    parked_at: datetime
    next_at: datetime
    letter: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """For programs: times in RFC 3339."""
        times = {name: getattr(self, name).isoformat() for name in ("parked_at", "next_at")}
        return vars(self) | {"id": str(self.id)} | times


def parked(urls: Urls, id_: UUID | None = None) -> Sequence[ParkedLetter]:
    """The parked letters of these services, each service's oldest first; of one id, or all."""
    found: list[ParkedLetter] = []
    for service, url in urls.items():
        with psycopg.connect(url, row_factory=dict_row) as connection:
            rows = connection.execute(_ALL, {"id": id_})
            found += [ParkedLetter(service=service, **row) for row in rows]
    return found


def find(urls: Urls, id_: UUID) -> Sequence[ParkedLetter]:
    """The letter of an id, once for each service that could not handle it.

    :raises LetterUnknown: none has.
    """
    found = parked(urls, id_)
    if not found:
        message = f"No letter {id_} is parked."
        raise LetterUnknown(message)
    return found


def replay(urls: Urls, id_: UUID | None) -> int:
    """Have a letter, or every letter, dispatched again at once and for another 24 hours; answers how many."""
    return _changed(urls, _REPLAY, id_)


def drop(urls: Urls, id_: UUID) -> int:
    """Forget a letter for good; answers how many services had it."""
    return _changed(urls, _DROP, id_)


def _changed(urls: Urls, statement: str, id_: UUID | None) -> int:
    count = 0
    for url in urls.values():
        with psycopg.connect(url) as connection:
            count += connection.execute(statement, {"id": id_}).rowcount
    return count
