"""What stock makes available, as its events tell."""

from collections.abc import Iterable

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.contracts.events import Level

_KEEP = text("""
INSERT INTO availability AS known (product_id, on_hand, reserved, version)
SELECT * FROM unnest(CAST(:products AS uuid[]), CAST(:on_hand AS bigint[]), CAST(:reserved AS bigint[]),
                     CAST(:versions AS bigint[]))
ON CONFLICT (product_id) DO UPDATE
SET on_hand = excluded.on_hand, reserved = excluded.reserved, version = excluded.version
WHERE excluded.version > known.version
""")


async def keep(session: AsyncSession, levels: Iterable[Level]) -> None:
    """Keep the newest level of each product; an older one changes nothing.

    Rows are written in one order, so that two writers never wait for each other.
    """
    newest: dict[str, Level] = {}
    for level in levels:
        known = newest.get(str(level.product_id))
        if known is None or level.version > known.version:
            newest[str(level.product_id)] = level
    rows = [newest[product_id] for product_id in sorted(newest)]
    columns = {
        "products": [row.product_id for row in rows],
        "on_hand": [row.on_hand for row in rows],
        "reserved": [row.reserved for row in rows],
        "versions": [row.version for row in rows],
    }
    await session.execute(_KEEP, columns)
