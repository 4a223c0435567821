"""Imports: what is still to do of them, how far they are, and the products of a chunk in one statement."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.expression import bindparam

from services.shared.errors import NotFound

_INSERT_JOB = text("""
INSERT INTO import_job (id, status, total, created_at) VALUES (:id, 'queued', :total, :at)
""")
_INSERT_CHUNK = text("""
INSERT INTO import_chunk (job_id, n, lines, payload) VALUES (:job_id, :n, :lines, :payload)
""")
_FIND_JOB = text("""
SELECT id, status, total, processed, created, updated, unchanged, failed, errors, created_at, finished_at
FROM import_job WHERE id = :id
""")
_LOCK_OPEN = text("""
SELECT id, failed, created + updated + unchanged AS good, errors FROM import_job
WHERE status IN ('queued', 'running') ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
""")
_TAKE_CHUNK = text("""
DELETE FROM import_chunk WHERE job_id = :id AND n = (SELECT min(n) FROM import_chunk WHERE job_id = :id)
RETURNING n, lines, payload, EXISTS (SELECT FROM import_chunk later WHERE later.job_id = :id
                                     AND later.n > import_chunk.n) AS more
""")
_CLAIM = text("""
INSERT INTO import_sku (job_id, sku, line)
SELECT :id, * FROM unnest(CAST(:skus AS text[]), CAST(:lines AS integer[])) ON CONFLICT DO NOTHING RETURNING sku
""")
_LINES_OF = text("SELECT sku, line FROM import_sku WHERE job_id = :id AND sku = ANY(:skus)")
_UPSERT = text("""
INSERT INTO product AS known (id, sku, name, description, price_minor, currency, category, brand, attributes, gtin,
                              created_at, updated_at)
SELECT id, sku, name, description, price_minor, currency, category, brand, attributes, gtin, :at, :at
FROM jsonb_to_recordset(:rows) AS given(id uuid, sku text, name text, description text, price_minor bigint,
    currency text, category text, brand text, attributes jsonb, gtin text[])
ORDER BY sku
ON CONFLICT (sku) DO UPDATE
SET name = excluded.name, description = excluded.description, price_minor = excluded.price_minor,
    currency = excluded.currency, category = excluded.category, brand = excluded.brand,
    attributes = excluded.attributes, gtin = excluded.gtin,
    version = known.version + 1, updated_at = excluded.updated_at
WHERE (known.name, known.description, known.price_minor, known.currency, known.category, known.brand,
       known.attributes, known.gtin)
    IS DISTINCT FROM (excluded.name, excluded.description, excluded.price_minor, excluded.currency,
                      excluded.category, excluded.brand, excluded.attributes, excluded.gtin)
RETURNING version = 1 AS is_new
""")
_RECORD = text("""
UPDATE import_job SET processed = processed + :processed, created = created + :created, updated = updated + :updated,
    unchanged = unchanged + :unchanged, failed = failed + :failed, errors = :errors, status = :status,
    finished_at = :finished_at
WHERE id = :id
""").bindparams(bindparam("errors", type_=JSONB))
_FORGET_SKUS = text("DELETE FROM import_sku WHERE job_id = :id")


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Rows of a payload, one a line, and which of the payload's lines they were."""

    lines: Sequence[int]
    payload: bytes


@dataclass(frozen=True, kw_only=True)
class OpenJob:
    """An import that is not finished; `good` counts the rows that could be used so far."""

    id: UUID
    good: int
    failed: int
    errors: list[dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class TakenChunk(Chunk):
    """A chunk that is done when the transaction commits; `more` tells whether others are left."""

    n: int
    more: bool


@dataclass(frozen=True, kw_only=True)
class Written:
    """How many rows of a chunk made a product, changed one, or found it as it is."""

    created: int
    updated: int
    unchanged: int


async def insert(session: AsyncSession, job_id: UUID, chunks: Sequence[Chunk], *, at: datetime) -> None:
    """Store an import with its whole payload."""
    total = sum(len(chunk.lines) for chunk in chunks)
    await session.execute(_INSERT_JOB, {"id": job_id, "total": total, "at": at})
    rows = [
        {"job_id": job_id, "n": n, "lines": list(chunk.lines), "payload": chunk.payload}
        for n, chunk in enumerate(chunks)
    ]
    await session.execute(_INSERT_CHUNK, rows)


async def progress(session: AsyncSession, job_id: UUID) -> Mapping[str, Any]:
    """How far an import is.

    :raises NotFound: there is none with this id.
    """
    found = (await session.execute(_FIND_JOB, {"id": job_id})).mappings().one_or_none()
    if found is None:
        raise NotFound
    return dict(found)


async def lock_open(session: AsyncSession) -> OpenJob | None:
    """The oldest import with something to do that nobody else works on, locked: its chunks are done in order."""
    found = (await session.execute(_LOCK_OPEN)).mappings().one_or_none()
    return OpenJob(**found) if found else None


async def take_chunk(session: AsyncSession, job_id: UUID) -> TakenChunk:
    """The next chunk of an import that is locked; it is gone once the transaction commits."""
    return TakenChunk(**(await session.execute(_TAKE_CHUNK, {"id": job_id})).mappings().one())


async def claim(session: AsyncSession, job_id: UUID, line_of: Mapping[str, int]) -> Mapping[str, int]:
    """Note the SKUs of a chunk; answers those that came in an earlier chunk, with the line they came in."""
    values = {"id": job_id, "skus": list(line_of), "lines": list(line_of.values())}
    claimed = set((await session.execute(_CLAIM, values)).scalars())
    repeated = [sku for sku in line_of if sku not in claimed]
    rows = await session.execute(_LINES_OF, {"id": job_id, "skus": repeated})
    return {row.sku: row.line for row in rows}


async def upsert(session: AsyncSession, rows: Sequence[Mapping[str, Any]], *, at: datetime) -> Written:
    """Create or change products by their SKUs, each at most once; one that is as it should be keeps its version."""
    found = list((await session.execute(_UPSERT, {"rows": json.dumps(rows), "at": at})).scalars())
    created = sum(found)
    return Written(created=created, updated=len(found) - created, unchanged=len(rows) - len(found))


async def record(session: AsyncSession, job: OpenJob, values: Mapping[str, Any]) -> None:
    """Add a chunk's counts to an import that is locked."""
    await session.execute(_RECORD, {"id": job.id, **values})
    if values["finished_at"] is not None:
        await session.execute(_FORGET_SKUS, {"id": job.id})
