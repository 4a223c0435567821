"""A product's stock is seen and set by staff, at inventory."""

from uuid import UUID

from services.product.clients import Level, Levels
from services.product.shapes import LevelBody
from services.product.store.catalogue import Catalogue
from services.shared.failpoints import failpoint
from services.shared.identity import Principal

_COUNTED = "counted"


async def see(catalogue: Catalogue, levels: Levels, product_id: UUID, *, staff: Principal) -> Level:
    """A product's level; zero when nothing was ever booked.

    :raises NotFound: there is no such product.
    """
    await catalogue.product(product_id)
    return await levels.of(product_id, token=staff.token)


async def book(
    catalogue: Catalogue, levels: Levels, product_id: UUID, body: LevelBody, *, if_version: int | None, staff: Principal
) -> Level:
    """Count or adjust a product's stock; answers the level after it.

    :raises NotFound: there is no such product.
    :raises BelowReserved: less would be on hand than orders hold.
    :raises VersionStale: the level is not at `if_version`.
    :raises BookingUncertain: it may be booked or not.
    """
    await catalogue.product(product_id)
    level = await levels.set(
        product_id,
        on_hand=body.on_hand,
        adjust_by=body.adjust_by,
        reason=body.reason or _COUNTED,
        if_version=if_version,
        token=staff.token,
    )
    failpoint("stock.booked.before_answer")
    return level
