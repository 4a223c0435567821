"""Staff import many products at once."""

import asyncio
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.product.api.dependencies import PUBLIC_ROOT, TAGS
from services.product.operations import imports
from services.product.payload import CSV, JSON_LINES, cut
from services.product.shapes import ImportAccepted, ImportShown, ImportStatus
from services.product.store.imports import progress
from services.shared.database import Transaction
from services.shared.identity import Staff
from services.shared.runtime import Now

router = APIRouter(tags=list(TAGS))

_BODY = {
    "required": True,
    "content": {
        **{
            kind: {"schema": {"type": "string", "description": "A product in JSON on each line."}}
            for kind in sorted(JSON_LINES)
        },
        CSV: {
            "schema": {
                "type": "string",
                "description": "A header of sku, name, description, price, currency, category, brand, gtin, on_hand"
                " and attr.<name>; then a product on each line.",
            }
        },
    },
    "description": "Rows are products as in `POST /products`.",
}


@router.post(
    "/products/import",
    summary="Import products",
    status_code=202,
    openapi_extra={"requestBody": _BODY},
)
async def import_products(
    request: Request, response: Response, _: Staff, session: Transaction, now: Now
) -> ImportAccepted:
    """Store JSON Lines or CSV to be imported; products are created or changed by their SKUs.

    Good rows survive bad ones, and importing a file again changes nothing.
    """
    chunks = await asyncio.to_thread(cut, await request.body(), request.headers.get("content-type", ""))
    job_id = await imports.accept(session, chunks, at=now)
    response.headers["Location"] = f"{PUBLIC_ROOT}/products/imports/{job_id}"
    return ImportAccepted(id=job_id, status=ImportStatus.QUEUED)


@router.get("/products/imports/{import_id}", summary="An import's progress")
async def get_import(import_id: UUID, _: Staff, session: Transaction) -> ImportShown:
    """How many rows were read, created, changed or refused, and why."""
    return ImportShown.model_validate(await progress(session, import_id))
