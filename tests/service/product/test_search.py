"""Search: ranked, filtered, counted, and never behind a committed change for long."""

from typing import Any
from uuid import UUID

import psycopg
import pytest

from services.contracts.events import Level, StockSet
from services.product.app import follow_changes, prune_changes
from services.product.indexing import Search, SearchStarting
from services.product.search import Wanted
from services.product.store.catalogue import Catalogue
from services.product.store.changes import CHANGES_AT_ONCE
from tests.service.doors import Client, Clock
from tests.service.product.shop import LAMP, Shop

LONG = "q=" + "x" * 201
MANY = "&".join(f"attr.a{n}=1" for n in range(21))


@pytest.fixture
async def stocked(shop: Shop) -> Shop:
    await shop.import_all(
        _product("SPK-1", "Bluetooth speaker", "Sonus", "50.00", description="Waterproof and loud"),
        _product("SPK-2", "Wired speakers", "Sonus", "20.00", attributes={"model": "WX-200", "colour": "Black"}),
        _product("CAB-1", "Cable", "Linea", "5.00", description="For a bluetooth speaker that is charging"),
        _product("TEL-1", "Telephone", "Bell", "80.00", attributes={"colour": "black", "weight": 200.0, "5g": True}),
        _product("YEN-1", "Paper lantern", None, "900", "JPY", category=None),
    )
    return shop


async def test_the_best_match_comes_first_and_words_match_in_any_form(stocked: Shop) -> None:
    found = await stocked.found("bluetooth speaker")

    assert found[:2] == ["SPK-1", "CAB-1"]
    assert set(await stocked.found("speaker")) == {"SPK-1", "SPK-2", "CAB-1"}
    assert (await stocked.found("charge"))[0] == "CAB-1"


@pytest.mark.parametrize("q", ["spk-2", "SPK-2", "wx-200", "4006381333931"])
async def test_a_code_that_is_typed_finds_its_product_first(stocked: Shop, q: str) -> None:
    if q.isdigit():
        await stocked.create(sku="GTIN", name="Something else", gtin=[q])

    assert (await stocked.found(q))[0] == ("GTIN" if q.isdigit() else "SPK-2")


@pytest.mark.parametrize("q", ['"', "a AND (", "name:x", "+-*/\\^~", "speaker OR", "日本", "x" * 200, "'; DROP", "-"])
async def test_no_words_break_the_search(stocked: Shop, q: str) -> None:
    assert (await stocked.search(q))["total"] >= 0


async def test_without_words_everything_is_found_newest_first(stocked: Shop, clock: Clock) -> None:
    clock.advance(seconds=9)
    await stocked.create(sku="NEW")

    found = await stocked.search()

    assert (found["total"], found["items"][0]["sku"]) == (6, "NEW")
    assert found["did_you_mean"] is None


@pytest.mark.parametrize(
    ("filters", "skus"),
    [
        ({"brand": "sonus"}, {"SPK-1", "SPK-2"}),
        ({"brand": ["Sonus", "Bell"]}, {"SPK-1", "SPK-2", "TEL-1"}),
        ({"category": "electronics"}, {"SPK-1", "SPK-2", "CAB-1", "TEL-1"}),
        ({"category": "electronics/audio", "max_price": "20"}, {"SPK-2", "CAB-1"}),
        ({"category": "electron"}, set()),
        ({"min_price": "20.00", "max_price": "50.00"}, {"SPK-1", "SPK-2"}),
        ({"min_price": "80.01"}, {"YEN-1"}),
        ({"attr.colour": "BLACK"}, {"SPK-2", "TEL-1"}),
        ({"attr.weight": "200", "attr.5g": "true"}, {"TEL-1"}),
        ({"attr.colour": "red"}, set()),
        ({"in_stock": "true"}, set()),
        ({"q": "speaker", "brand": "Linea"}, {"CAB-1"}),
    ],
)
async def test_filters_narrow_what_is_found(stocked: Shop, filters: dict[str, Any], skus: set[str]) -> None:
    assert set(await stocked.found(filters.pop("q", ""), **filters)) == skus


@pytest.mark.parametrize(
    ("sort", "skus"),
    [
        ("price", ["CAB-1", "SPK-2", "SPK-1"]),
        ("-price", ["SPK-1", "SPK-2", "CAB-1"]),
        ("name", ["SPK-1", "CAB-1", "SPK-2"]),
    ],
)
async def test_results_come_in_the_order_asked_for(stocked: Shop, sort: str, skus: list[str]) -> None:
    assert await stocked.found("speaker", sort=sort) == skus


async def test_what_was_found_is_counted_by_brand_and_category(stocked: Shop) -> None:
    both = await stocked.search("speaker")
    one = await stocked.search("speaker", facets="brand")
    none = await stocked.search("speaker", facets="")

    assert both["facets"] == {
        "brand": [{"value": "Sonus", "count": 2}, {"value": "Linea", "count": 1}],
        "category": [{"value": "electronics/audio", "count": 3}],
    }
    assert list(one["facets"]) == ["brand"]
    assert none["facets"] == {}


async def test_results_are_walked_page_by_page(stocked: Shop) -> None:
    first = await stocked.search("speaker", limit=2)
    second = await stocked.search("speaker", limit=2, cursor=first["next_cursor"])

    assert (first["total"], second["total"]) == (3, 3)
    assert len({card["sku"] for card in first["items"] + second["items"]}) == 3
    assert second["next_cursor"] is None


@pytest.mark.parametrize(
    "query",
    ["min_price=cheap", "facets=colour", "sort=best", "cursor=WzEwMDAxXQ", "in_stock=maybe", LONG, MANY],
)
async def test_a_search_that_makes_no_sense_is_refused(client: Client, query: str) -> None:
    assert (await client.get(f"/products/search?{query}")).status_code == 422


async def test_changes_are_found_and_what_is_no_longer_sold_is_not(stocked: Shop, client: Client) -> None:
    assert await stocked.found("zither") == []
    product = await stocked.create(sku="ZIT", name="Zither")
    created = await stocked.found("zither")
    await stocked.put(product["id"], {"name": "Harp"}, '"1"')
    renamed = await stocked.found("zither"), await stocked.found("harp")
    await client.delete(f"/products/{product['id']}", headers=stocked.staff)

    assert created == ["ZIT"]
    assert renamed == ([], ["ZIT"])
    assert (await client.get("/products/search", params={"q": "harp"})).json()["items"] == []
    assert await stocked.found("harp") == []


async def test_stock_that_comes_and_goes_moves_a_product_in_and_out(
    stocked: Shop, client: Client, clock: Clock
) -> None:
    product = await stocked.create(sku="ZIT")

    async def stock(on_hand: int, version: int) -> list[str]:
        level = Level(product_id=UUID(product["id"]), on_hand=on_hand, reserved=0, version=version)
        words: dict[str, Any] = {"product_id": level.product_id, "change": 0, "reason": "counted"}
        await client.deliver(StockSet(version=version, at=clock.now, levels=(level,), **words))
        return await stocked.found(in_stock="true")

    assert await stock(0, 1) == []
    assert await stock(5, 2) == ["ZIT"]
    assert await stock(4, 3) == ["ZIT"]
    assert len(await stocked.found(in_stock="false")) == 5
    assert await stock(0, 4) == []


async def test_a_transaction_that_commits_late_is_not_skipped(stocked: Shop, client: Client) -> None:
    async with await psycopg.AsyncConnection.connect(client.runtime.database.url) as late:
        await follow_changes(client.runtime)
        await late.execute("UPDATE product SET name = 'Zither' WHERE sku = 'SPK-1'")
        await stocked.create(sku="EARLY", name="Harp")
        before = await stocked.found("zither")
        await late.commit()

    assert before == []
    assert await stocked.found("zither") == ["SPK-1"]
    assert await stocked.found("harp") == ["EARLY"]


async def test_an_older_transaction_that_writes_last_does_not_hide_a_newer_one(stocked: Shop, client: Client) -> None:
    url = client.runtime.database.url
    await follow_changes(client.runtime)
    async with await psycopg.AsyncConnection.connect(url) as older, await psycopg.AsyncConnection.connect(url) as newer:
        await older.execute("SELECT pg_current_xact_id()")
        await newer.execute("UPDATE product SET name = 'Zither' WHERE sku = 'SPK-1'")
        await older.execute("UPDATE product SET name = 'Harp' WHERE sku = 'SPK-2'")
        await older.commit()
        between = await stocked.found("harp"), await stocked.found("zither")
        await newer.commit()

    assert between == (["SPK-2"], [])
    assert await stocked.found("zither") == ["SPK-1"]


async def test_a_transaction_in_flight_while_the_index_is_built_is_not_skipped(stocked: Shop, client: Client) -> None:
    async with await psycopg.AsyncConnection.connect(client.runtime.database.url) as late:
        await late.execute("UPDATE product SET name = 'Zither' WHERE sku = 'SPK-1'")
        before = await stocked.found("zither")
        await late.commit()

    assert before == []
    assert await stocked.found("zither") == ["SPK-1"]


@pytest.mark.usefixtures("stocked")
async def test_many_changes_are_taken_in_parts(client: Client) -> None:
    await follow_changes(client.runtime)
    repeated = "INSERT INTO product_change (product_id) SELECT id FROM product, generate_series(1, %s)"
    await client.rows(repeated, CHANGES_AT_ONCE)

    steps = [await follow_changes(client.runtime) for _ in range(6)]

    assert steps == [True] * 5 + [False]


async def test_an_index_that_followed_too_long_ago_is_built_anew(stocked: Shop, client: Client) -> None:
    hours = iter([0, 0, 0, 23, 23, 23])
    search = Search(client.runtime.part(Catalogue), seconds=lambda: next(hours) * 3600)
    await search.follow()
    await stocked.create(sku="ZIT", name="Zither")
    await client.rows("DELETE FROM product_change")

    await search.follow()

    assert (await search.find(Wanted(words="zither"))).total == 1
    assert (await search.find(Wanted())).total == 6


@pytest.mark.usefixtures("stocked")
async def test_old_changes_are_forgotten(client: Client) -> None:
    await client.rows("UPDATE product_change SET at = now() - interval '25 hours' WHERE id = 1")

    again = await prune_changes(client.runtime)

    assert again is False
    assert (await client.rows("SELECT min(id) AS first FROM product_change"))[0]["first"] == 2


async def test_a_search_waits_for_the_first_index_but_not_for_long(client: Client) -> None:
    search = Search(client.runtime.part(Catalogue), patience=0.05)

    with pytest.raises(SearchStarting):
        await search.find(Wanted())
    await search.follow()

    assert (await search.find(Wanted())).total == 0


def _product(
    sku: str, name: str, brand: str | None, amount: str, currency: str = "EUR", **fields: Any
) -> dict[str, Any]:
    price = {"amount": amount, "currency": currency}
    plain = {"description": "", "attributes": {}, "gtin": [], "category": "electronics/audio"}
    return LAMP | plain | {"sku": sku, "name": name, "brand": brand, "price": price} | fields
