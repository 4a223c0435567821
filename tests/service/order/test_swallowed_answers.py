"""The network swallows what the database says: whoever asks again with the same key hears what became of it."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.shared.connection import Connection
from services.shared.database import Database
from tests.service.line import Line, line_to
from tests.service.order.shop import Shop


@pytest.fixture
async def line(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Line]:
    """Where the shop's database is reached."""
    monkeypatch.setattr(Connection, "patience", 0.5)
    direct = shop.client.runtime.database
    async with line_to(direct.url) as one:
        shop.client.runtime.databases[0] = Database(one.url)
        yield one
        await shop.client.runtime.database.close()
        shop.client.runtime.databases[0] = direct


async def test_an_order_whose_commit_was_swallowed_is_unknown_and_then_the_same_order(shop: Shop, line: Line) -> None:
    line.swallows_after = [b"INSERT INTO outbox", b"COMMIT"]

    async with asyncio.timeout(5):
        unknown = await shop.place((shop.lamp, 2), key="k")
    told = await shop.place((shop.lamp, 2), key="k")

    assert (unknown.status_code, unknown.json()["type"]) == (503, "store-unavailable")
    assert (told.status_code, told.headers["Idempotent-Replayed"]) == (201, "true")
    assert told.json()["id"] == shop.order_id("k")
    assert [fact["type"] for fact in await shop.client.facts()] == ["order.placed"]
    assert shop.stock.holds == {shop.order_id("k"): {str(shop.lamp): 2}}


async def test_an_order_that_was_swallowed_before_its_commit_is_placed_when_it_is_asked_for_again(
    shop: Shop, line: Line
) -> None:
    line.swallows_after = [b"INSERT INTO outbox"]

    async with asyncio.timeout(5):
        unknown = await shop.place((shop.lamp, 2), key="k")
    told = await shop.place((shop.lamp, 2), key="k")

    assert (unknown.status_code, told.status_code) == (503, 201)
    assert "Idempotent-Replayed" not in told.headers
    assert [fact["type"] for fact in await shop.client.facts()] == ["order.placed"]
