"""Documents: what is assembled from several services' facts, written by id, read by id or by one key.

A document needs neither locks nor an inbox: writing it twice writes the same. Money and stock are never
decided from one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.sql.expression import bindparam


@dataclass(frozen=True, kw_only=True)
class Document:
    """One document: `id` is its identity, `key` what it is found by (an order, a user), `at` what it is sorted by."""

    id: UUID
    key: str
    at: datetime
    body: dict[str, Any]


class Documents(Protocol):
    """A document store."""

    async def put(self, collection: str, *documents: Document) -> None:
        """Insert or replace by id."""
        ...

    async def get(self, collection: str, id_: UUID) -> Document | None:
        """One document by its id."""
        ...

    async def find(
        self, collection: str, key: str, *, limit: int, before: tuple[datetime, UUID] | None = None
    ) -> Sequence[Document]:
        """The documents with a key, newest first, older than (`at`, `id`) when that is given."""
        ...


_PUT = text("""
INSERT INTO document (collection, id, key, at, body) VALUES (:collection, :id, :key, :at, :body)
ON CONFLICT (collection, id) DO UPDATE SET key = excluded.key, at = excluded.at, body = excluded.body
""").bindparams(bindparam("body", type_=JSONB))
_GET = text("SELECT id, key, at, body FROM document WHERE collection = :collection AND id = :id")
_FIND = text("""
SELECT id, key, at, body FROM document WHERE collection = :collection AND key = :key
ORDER BY at DESC, id DESC LIMIT :limit
""")
_FIND_BEFORE = text("""
SELECT id, key, at, body FROM document WHERE collection = :collection AND key = :key AND (at, id) < (:at, :id)
ORDER BY at DESC, id DESC LIMIT :limit
""")


class PostgresDocuments:
    """Documents in a JSONB column."""

    def __init__(self, engine: AsyncEngine) -> None:
        """The database must have the `document` table."""
        self._engine = engine.execution_options(isolation_level="AUTOCOMMIT")

    async def put(self, collection: str, *documents: Document) -> None:
        """Insert or replace by id."""
        rows = [
            {"collection": collection, "id": one.id, "key": one.key, "at": one.at, "body": one.body}
            for one in documents
        ]
        async with self._engine.connect() as connection:
            await connection.execute(_PUT, rows)

    async def get(self, collection: str, id_: UUID) -> Document | None:
        """One document by its id."""
        async with self._engine.connect() as connection:
            row = (await connection.execute(_GET, {"collection": collection, "id": id_})).mappings().one_or_none()
        return Document(**row) if row else None

    async def find(
        self, collection: str, key: str, *, limit: int, before: tuple[datetime, UUID] | None = None
    ) -> Sequence[Document]:
        """The documents with a key, newest first, older than (`at`, `id`) when that is given."""
        where: dict[str, Any] = {"collection": collection, "key": key, "limit": limit}
        where |= {"at": before[0], "id": before[1]} if before else {}
        async with self._engine.connect() as connection:
            rows = await connection.execute(_FIND_BEFORE if before else _FIND, where)
        return [Document(**row) for row in rows.mappings()]
