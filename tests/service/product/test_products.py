"""Products are created, read, changed and deactivated."""

import asyncio
from uuid import UUID, uuid4

import psycopg
import pytest

from services.contracts.events import Level, StockHeld, StockSet
from services.product.domain import product_id_of
from services.shared.identity import Role
from tests.conditions import eventually
from tests.service.doors import Client, Clock, Tokens
from tests.service.product.shop import LAMP, Shop


async def test_a_new_product_is_shown_to_everybody_at_once(shop: Shop, client: Client, clock: Clock) -> None:
    created = await client.post("/products", json=LAMP, headers=shop.staff)

    shown = await client.get(f"/products/{created.json()['id']}")

    assert created.status_code == 201
    assert created.headers["Location"] == f"/api/v1/products/{created.json()['id']}"
    assert created.headers["ETag"] == shown.headers["ETag"]
    assert shown.json() == created.json()
    at = clock.now.isoformat().replace("+00:00", "Z")
    assert shown.json() == LAMP | {
        "id": str(product_id_of("LAMP-1")),
        "images": [],
        "availability": {"in_stock": False, "available": None},
        "is_active": True,
        "version": 1,
        "created_at": at,
        "updated_at": at,
    }


async def test_the_least_of_a_product_is_its_sku_name_and_price(shop: Shop, client: Client) -> None:
    least = {"sku": "BULB", "name": "Bulb", "price": {"amount": "300", "currency": "JPY"}}

    answer = await client.post("/products", json=least, headers=shop.staff)

    assert answer.status_code == 201
    assert answer.json()["description"] == ""
    assert answer.json()["category"] is None
    assert answer.json()["price"] == {"amount": "300", "currency": "JPY"}


async def test_a_sku_belongs_to_one_product(shop: Shop, client: Client) -> None:
    await shop.create()

    answer = await client.post("/products", json=LAMP | {"name": "Another"}, headers=shop.staff)

    assert answer.status_code == 409
    assert answer.json()["type"] == "sku-taken"


async def test_two_who_create_the_same_sku_at_once_make_one_product(shop: Shop, client: Client) -> None:
    answers = await asyncio.gather(*(client.post("/products", json=LAMP, headers=shop.staff) for _ in range(4)))

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409]


@pytest.mark.parametrize(
    "fields",
    [
        {"price": {"amount": "0.00", "currency": "EUR"}},
        {"price": {"amount": 39.9, "currency": "EUR"}},
        {"price": {"amount": "39.90", "currency": "XXX"}},
        {"sku": " LAMP"},
        {"sku": ""},
        {"name": "   "},
        {"category": "home//lamps"},
        {"category": "/home"},
        {"attributes": {"size": [1, 2]}},
        {"attributes": {"size": None}},
        {"attributes": {"size": 10**30}},
        {"gtin": ["not a number"]},
        {"on_hand": -1},
        {"on_hand": 1.5},
        {"on_hand": 10**10},
        {"name": "NUL\x00"},
        {"colour": "unknown field"},
    ],
)
async def test_a_product_that_makes_no_sense_is_refused(shop: Shop, client: Client, fields: dict[str, object]) -> None:
    answer = await client.post("/products", json=LAMP | fields, headers=shop.staff)

    assert answer.status_code == 422
    assert answer.json()["type"] == "invalid-request"


async def test_only_staff_change_the_catalogue(client: Client, tokens: Tokens, shop: Shop) -> None:
    product = await shop.create()
    customer = tokens.headers(Role.CUSTOMER)

    for method, path in (("POST", "/products"), ("PUT", f"/products/{product['id']}"), ("POST", "/products/import")):
        assert (await client.request(method, path, json=LAMP, headers=customer)).status_code == 403
        assert (await client.request(method, path, json=LAMP)).status_code == 401
    assert (await client.delete(f"/products/{product['id']}", headers=customer)).status_code == 403


async def test_stock_that_a_product_comes_with_is_declared_in_the_same_transaction(shop: Shop, client: Client) -> None:
    product = await shop.create(on_hand=12)
    await shop.create(sku="LAMP-2")

    (fact,) = await client.facts()

    assert fact["type"] == "opening-stock.declared"
    assert fact["data"]["levels"] == [{"product_id": product["id"], "on_hand": 12}]


async def test_what_a_client_has_already_is_not_sent_again(shop: Shop, client: Client) -> None:
    product = await shop.create()
    tag = (await client.get(f"/products/{product['id']}")).headers["ETag"]

    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        answer = await client.get(f"/products/{product['id']}", headers={"If-None-Match": known})
        assert answer.status_code == 304
        assert answer.content == b""
        assert answer.headers["ETag"] == tag
    assert (await client.get(f"/products/{product['id']}", headers={"If-None-Match": '"1.0"'})).status_code == 200


async def test_availability_moves_the_tag_but_not_the_version(shop: Shop, client: Client, clock: Clock) -> None:
    product = await shop.create()
    before = (await client.get(f"/products/{product['id']}")).headers["ETag"]

    told = await client.deliver(_stock(product["id"], on_hand=5, version=1, clock=clock))
    after = await client.get(f"/products/{product['id']}")

    assert told == "SUCCESS"
    assert after.json()["availability"] == {"in_stock": True, "available": 5}
    assert after.json()["version"] == 1
    assert after.headers["ETag"] != before
    assert (await shop.put(product["id"], {"name": "New"}, before)).status_code == 200


async def test_stock_events_count_by_their_versions_in_whatever_order_they_come(
    shop: Shop, client: Client, clock: Clock
) -> None:
    product, other = await shop.create(), await shop.create(sku="LAMP-2")
    events = [
        _stock(product["id"], on_hand=9, reserved=2, version=3, clock=clock),
        _stock(product["id"], on_hand=9, reserved=1, version=2, clock=clock),
        _stock(other["id"], on_hand=4, version=1, clock=clock),
        _stock(product["id"], on_hand=9, reserved=9, version=4, clock=clock),
    ]
    entries = [
        {
            "entryId": str(n),
            "event": {"type": event.TYPE, "id": str(event.event_id), "data": event.model_dump(mode="json")},
        }
        for n, event in enumerate(events)
    ]

    answer = await client.post("/events/stock", json={"entries": entries})
    await client.deliver(_stock(product["id"], on_hand=50, version=1, clock=clock))

    assert [status["status"] for status in answer.json()["statuses"]] == ["SUCCESS"] * 4
    sold_out = (await client.get(f"/products/{product['id']}")).json()
    assert sold_out["availability"] == {"in_stock": False, "available": 0}
    assert (await client.get(f"/products/{other['id']}")).json()["availability"]["available"] == 4


async def test_a_hold_of_several_products_moves_each(shop: Shop, client: Client, clock: Clock) -> None:
    first, second = await shop.create(), await shop.create(sku="LAMP-2")
    levels = tuple(
        Level(product_id=UUID(product["id"]), on_hand=10, reserved=3, version=7) for product in (first, second)
    )

    await client.deliver(StockHeld(version=1, at=clock.now, order_id=uuid4(), lines=(), levels=levels))

    for product in (first, second):
        assert (await client.get(f"/products/{product['id']}")).json()["availability"]["available"] == 7


async def test_a_change_needs_the_version_that_was_read(shop: Shop) -> None:
    product = await shop.create()

    missing = await shop.put(product["id"], {"name": "New"})
    stale = await shop.put(product["id"], {"name": "New"}, '"7"')
    nonsense = await shop.put(product["id"], {"name": "New"}, "1")
    done = await shop.put(product["id"], {"name": "New"}, '"1"')
    again = await shop.put(product["id"], {"name": "Newer"}, '"1"')
    anyway = await shop.put(product["id"], {"name": "Newest"}, "*")

    assert (missing.status_code, missing.json()["type"]) == (428, "precondition-required")
    assert (stale.status_code, stale.json()["type"]) == (412, "stale")
    assert nonsense.status_code == 412
    assert (done.status_code, done.json()["name"], done.json()["version"]) == (200, "New", 2)
    assert done.headers["ETag"].startswith('"2.')
    assert again.status_code == 412
    assert anyway.json()["version"] == 3


async def test_of_two_who_change_the_same_version_one_wins(shop: Shop, client: Client) -> None:
    product = await shop.create()

    answers = await asyncio.gather(*(shop.put(product["id"], {"name": f"Name {n}"}, '"1"') for n in range(5)))

    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412]
    assert (await client.get(f"/products/{product['id']}")).json()["version"] == 2


async def test_a_change_waits_for_one_that_is_being_written_and_then_is_stale(shop: Shop, client: Client) -> None:
    product = await shop.create()
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"

    async with await psycopg.AsyncConnection.connect(client.runtime.database.url) as other:
        await other.execute("UPDATE product SET name = 'Theirs', version = 2 WHERE id = %s", [product["id"]])
        ours = asyncio.create_task(shop.put(product["id"], {"name": "Ours"}, '"1"'))
        await eventually(lambda: client.rows(waiting))
        await other.commit()

    assert (await ours).status_code == 412
    assert (await client.get(f"/products/{product['id']}")).json()["name"] == "Theirs"


async def test_a_change_touches_what_it_names_and_null_empties(shop: Shop, clock: Clock) -> None:
    product = await shop.create()
    clock.advance(seconds=5)
    body: dict[str, object] = {
        "sku": "LAMP-1",
        "description": None,
        "brand": None,
        "price": {"amount": "41.00", "currency": "EUR"},
        "gtin": [],
    }

    answer = await shop.put(product["id"], body, '"1"')

    expected = product | body | {"description": "", "version": 2}
    assert answer.json() == expected | {"updated_at": clock.now.isoformat().replace("+00:00", "Z")}


async def test_a_whole_product_sent_back_may_repeat_its_sku_and_stock(shop: Shop, client: Client) -> None:
    product = await shop.create(on_hand=5)

    answer = await shop.put(product["id"], LAMP | {"name": "New", "on_hand": 6}, '"1"')
    unnamed = await shop.put(product["id"], {"sku": None, "name": "Newer"}, '"2"')

    assert (answer.status_code, unnamed.status_code) == (200, 200)
    assert [fact["data"]["levels"][0]["on_hand"] for fact in await client.facts()] == [5, 6]


@pytest.mark.parametrize("body", [{"price": None}, {"name": None}, {"is_active": None}, {"sku": "LAMP-9"}, {"x": 1}])
async def test_a_change_that_makes_no_sense_is_refused(shop: Shop, body: dict[str, object]) -> None:
    product = await shop.create()

    answer = await shop.put(product["id"], body, '"1"')

    assert answer.status_code == 422


async def test_what_is_not_there_is_not_found(shop: Shop, client: Client) -> None:
    nobody = uuid4()

    answers = [
        await client.get(f"/products/{nobody}"),
        await client.get("/products/not-an-id"),
        await shop.put(str(nobody), {"name": "New"}, '"1"'),
        await client.delete(f"/products/{nobody}", headers=shop.staff),
        await client.get(f"/products/imports/{nobody}", headers=shop.staff),
    ]

    assert [answer.status_code for answer in answers] == [404] * 5


async def test_a_deactivated_product_leaves_the_lists_but_stays_readable(shop: Shop, client: Client) -> None:
    product = await shop.create()
    path = f"/products/{product['id']}"

    stale = await client.delete(path, headers=shop.staff | {"If-Match": '"7"'})
    first = await client.delete(path, headers=shop.staff | {"If-Match": '"1"'})
    second = await client.delete(path, headers=shop.staff)

    assert [stale.status_code, first.status_code, second.status_code] == [412, 204, 204]
    shown = (await client.get(path)).json()
    assert (shown["is_active"], shown["version"]) == (False, 2)
    assert (await client.get("/products")).json()["items"] == []
    again = await shop.put(product["id"], {"is_active": True}, '"2"')
    assert again.json()["is_active"] is True


async def test_other_services_ask_for_prices(shop: Shop, client: Client) -> None:
    lamp, gone = await shop.create(), await shop.create(sku="LAMP-2", price={"amount": "500", "currency": "JPY"})
    await client.delete(f"/products/{gone['id']}", headers=shop.staff)
    asked = {"product_ids": [lamp["id"], gone["id"], str(uuid4())]}

    nobody = await client.post("/internal/prices", json=asked)
    answer = await client.post("/internal/prices", json=asked, headers={"dapr-caller-app-id": "order"})

    assert nobody.status_code == 403
    assert sorted(answer.json()["products"], key=lambda one: str(one["sku"])) == [
        {"product_id": lamp["id"], "sku": "LAMP-1", "name": lamp["name"], "price": lamp["price"], "is_active": True},
        {"product_id": gone["id"], "sku": "LAMP-2", "name": gone["name"], "price": gone["price"], "is_active": False},
    ]


def _stock(product_id: str, *, on_hand: int, version: int, clock: Clock, reserved: int = 0) -> StockSet:
    level = Level(product_id=UUID(product_id), on_hand=on_hand, reserved=reserved, version=version)
    return StockSet(
        version=version, at=clock.now, levels=(level,), product_id=level.product_id, change=on_hand, reason="counted"
    )
