"""Staff see and set a product's stock, which inventory keeps."""

from uuid import UUID

from fastapi import APIRouter
from starlette.responses import Response

from services.product.api.dependencies import TAGS, OwnCatalogue, OwnLevels
from services.product.clients import Level
from services.product.operations import stock
from services.product.preconditions import IfMatch, version_seen
from services.product.shapes import LevelBody, LevelShown
from services.shared.identity import Staff

router = APIRouter(tags=list(TAGS))


@router.get("/products/{product_id}/inventory", summary="A product's stock")
async def get_level(
    product_id: UUID, staff: Staff, catalogue: OwnCatalogue, levels: OwnLevels, response: Response
) -> LevelShown:
    """What is on hand, reserved by orders, and available."""
    return _shown(product_id, await stock.see(catalogue, levels, product_id, staff=staff), response)


@router.put("/products/{product_id}/inventory", summary="Set or adjust a product's stock")
async def set_level(  # noqa: PLR0913 - a door needs what it hands on
    *,
    product_id: UUID,
    body: LevelBody,
    staff: Staff,
    catalogue: OwnCatalogue,
    levels: OwnLevels,
    response: Response,
    if_match: IfMatch = None,
) -> LevelShown:
    """Count (`on_hand`) or adjust (`adjust_by` with a `reason`); never below what orders hold.

    Units that were paid for have left `on_hand` before they are sent: count without them. With `If-Match` a count is
    refused when anything was booked or sold since you read the level. `booking-uncertain` (503) means that it may have
    been booked: read the level again, and do not repeat a count without `If-Match`.
    """
    if_version = version_seen(if_match)
    level = await stock.book(catalogue, levels, product_id, body, if_version=if_version, staff=staff)
    return _shown(product_id, level, response)


def _shown(product_id: UUID, level: Level, response: Response) -> LevelShown:
    response.headers["ETag"] = f'"{level.version}"'
    return LevelShown(
        product_id=product_id,
        on_hand=level.on_hand,
        reserved=level.reserved,
        available=level.available,
        version=level.version,
    )
