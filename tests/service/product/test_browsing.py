"""Visitors list products, page by page, and browse categories."""

from typing import Any

import pytest

from tests.service.doors import Client, Clock
from tests.service.product.shop import Shop

ORDERS = {
    "newest": ["D", "C", "B", "A"],
    "name": ["C", "A", "D", "B"],
    "price": ["B", "A", "D", "C"],
    "-price": ["C", "D", "A", "B"],
}


@pytest.fixture
async def stocked(shop: Shop, clock: Clock) -> Shop:
    for sku, name, amount in (("A", "m", "2.00"), ("B", "z", "1.00"), ("C", "a", "3.00"), ("D", "m", "2.00")):
        await shop.create(sku=sku, name=name, price={"amount": amount, "currency": "EUR"})
        clock.advance(seconds=1)
    return shop


@pytest.mark.parametrize("sort", list(ORDERS))
async def test_a_list_is_walked_page_by_page_and_shows_each_product_once(stocked: Shop, sort: str) -> None:
    shown, cursor = [], None
    while True:
        params: dict[str, Any] = {"sort": sort, "limit": 3} | ({"cursor": cursor} if cursor else {})
        page = (await stocked.client.get("/products", params=params)).json()
        shown.append([card["sku"] for card in page["items"]])
        cursor = page["next_cursor"]
        if cursor is None:
            break

    walked = [sku for page in shown for sku in page]
    assert [len(page) for page in shown] == [3, 1]
    assert sorted(walked) == ["A", "B", "C", "D"]
    tied = {"A", "D"} if sort != "newest" else set[str]()
    assert [sku for sku in walked if sku not in tied] == [sku for sku in ORDERS[sort] if sku not in tied]
    assert {walked.index(sku) for sku in tied} == {ORDERS[sort].index(sku) for sku in tied}


async def test_a_card_tells_what_a_list_needs(shop: Shop, client: Client) -> None:
    product = await shop.create()

    (card,) = (await client.get("/products")).json()["items"]

    names = ("id", "sku", "name", "brand", "category", "price", "images", "availability")
    assert card == {name: product[name] for name in names}


async def test_a_category_holds_what_is_below_it(shop: Shop, client: Client) -> None:
    for sku, category in (("A", "home"), ("B", "home/lighting"), ("C", "home_office"), ("D", None), ("E", "home%")):
        await shop.create(sku=sku, category=category)

    async def listed(category: str) -> set[str]:
        found: dict[str, Any] = (await client.get("/products", params={"category": category})).json()
        return {card["sku"] for card in found["items"]}

    assert await listed("home") == {"A", "B"}
    assert await listed("home/lighting") == {"B"}
    assert await listed("ho_e") == set()
    assert await listed("home%") == {"E"}


async def test_categories_are_a_tree_with_counts_parents_first(shop: Shop, client: Client) -> None:
    for sku, category in (("A", "home/lighting/lamps"), ("B", "home/lighting"), ("C", "audio"), ("D", None)):
        await shop.create(sku=sku, category=category)

    answer = await client.get("/categories")

    assert answer.json()["items"] == [
        {"path": "audio", "name": "audio", "parent": None, "products": 1},
        {"path": "home", "name": "home", "parent": None, "products": 2},
        {"path": "home/lighting", "name": "lighting", "parent": "home", "products": 2},
        {"path": "home/lighting/lamps", "name": "lamps", "parent": "home/lighting", "products": 1},
    ]


@pytest.mark.parametrize("query", ["sort=best", "limit=0", "limit=101", "limit=x", "cursor=nonsense", "cursor=WzFd"])
async def test_a_list_that_makes_no_sense_is_refused(client: Client, query: str) -> None:
    assert (await client.get(f"/products?{query}")).status_code == 422
