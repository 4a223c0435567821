"""The facts of stock are kept as they are."""

import psycopg
import pytest

from tests.service.inventory.conftest import Inventory


@pytest.mark.parametrize("change", ["DELETE FROM outbox", "UPDATE outbox SET version = 9"])
async def test_facts_can_neither_be_deleted_nor_changed(inventory: Inventory, change: str) -> None:
    await inventory.stocked(5)

    with pytest.raises(psycopg.errors.RaiseException, match="kept for ever"):
        await inventory.rows(change)

    await inventory.rows("UPDATE outbox SET published_at = now()")
    assert len(await inventory.facts()) == 1
