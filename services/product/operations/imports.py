"""Imports are accepted whole and worked on in chunks, each in one transaction with its progress.

A process may die at any moment: the chunk that it worked on is still there and is done again, whole.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4, uuid5

from sqlalchemy.ext.asyncio import AsyncSession

from services.product.domain import opening_stock, product_id_of
from services.product.payload import ReadRows, read, without
from services.product.shapes import ImportStatus, ProductBody
from services.product.store import imports as store
from services.product.store.imports import Chunk, OpenJob, TakenChunk, Written
from services.shared import outbox
from services.shared.failpoints import failpoint

ERRORS_KEPT = 100


async def accept(session: AsyncSession, chunks: Sequence[Chunk], *, at: datetime) -> UUID:
    """Store an import to be worked on; answers its id."""
    job_id = uuid4()
    await store.insert(session, job_id, chunks, at=at)
    failpoint("import.accepted.before_commit")
    return job_id


async def work(session: AsyncSession, *, at: datetime) -> bool:
    """Do the next chunk of the oldest import that nobody else works on; answers whether there was one."""
    job = await store.lock_open(session)
    if job is None:
        return False
    chunk = await store.take_chunk(session, job.id)
    rows = await asyncio.to_thread(read, chunk)
    earlier = await store.claim(session, job.id, {product.sku: line for line, product in rows.good})
    rows = without(rows, earlier)
    written = await _write(session, [product for _, product in rows.good], at=at)
    _declare_stock(session, job, chunk, [product for _, product in rows.good], at=at)
    await store.record(session, job, _progress(job, chunk, rows, written, at=at))
    failpoint("import.chunk_done.before_commit")
    return True


async def _write(session: AsyncSession, products: Sequence[ProductBody], *, at: datetime) -> Written:
    rows = await asyncio.to_thread(lambda: sorted(map(_row, products), key=lambda row: str(row["sku"])))
    return await store.upsert(session, rows, at=at)


def _row(body: ProductBody) -> dict[str, Any]:
    return {
        "id": str(product_id_of(body.sku)),
        "sku": body.sku,
        "name": body.name,
        "description": body.description or "",
        "price_minor": body.price.minor,
        "currency": body.price.currency,
        "category": body.category,
        "brand": body.brand,
        "attributes": body.attributes,
        "gtin": body.gtin,
    }


def _declare_stock(
    session: AsyncSession, job: OpenJob, chunk: TakenChunk, products: Sequence[ProductBody], *, at: datetime
) -> None:
    levels = [(product_id_of(body.sku), body.on_hand) for body in products if body.on_hand is not None]
    if levels:
        outbox.add(session, opening_stock(uuid5(job.id, f"chunk/{chunk.n}"), levels, at=at))


def _progress(job: OpenJob, chunk: TakenChunk, rows: ReadRows, written: Written, *, at: datetime) -> dict[str, Any]:
    errors = [*job.errors, *(error.model_dump() for error in rows.errors)]
    return vars(written) | {
        "processed": len(chunk.lines),
        "failed": len(rows.errors),
        "errors": errors[:ERRORS_KEPT],
        "status": _status(chunk, has_good=bool(job.good or rows.good)),
        "finished_at": None if chunk.more else at,
    }


def _status(chunk: TakenChunk, *, has_good: bool) -> ImportStatus:
    if chunk.more:
        return ImportStatus.RUNNING
    return ImportStatus.DONE if has_good else ImportStatus.FAILED
