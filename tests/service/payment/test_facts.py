"""The facts of payments are kept as they are, and say nothing about the person."""

import psycopg
import pytest

from tests.service.payment.shop import Shop


@pytest.mark.parametrize("change", ["DELETE FROM outbox", "UPDATE outbox SET data = '{}'"])
async def test_facts_can_neither_be_deleted_nor_changed(shop: Shop, change: str) -> None:
    await shop.paid()

    with pytest.raises(psycopg.errors.RaiseException, match="kept for ever"):
        await shop.client.rows(change)

    await shop.client.rows("UPDATE outbox SET published_at = now()")
    assert await shop.fact_types() == ["payment.succeeded"]
