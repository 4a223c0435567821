"""Imports: good rows survive bad ones, a crash loses nothing, repeating changes nothing."""

import asyncio
import json
from typing import Any

import pytest

from services.product.app import IMPORT_BYTES, work_on_imports
from services.product.operations import imports
from services.product.payload import ROWS_AT_ONCE
from tests.service.doors import Client, Clock
from tests.service.product.shop import LAMP, Shop


async def test_rows_become_products_and_their_stock_is_declared_together(shop: Shop, client: Client) -> None:
    done = await shop.import_all(_lamp(1, on_hand=5), _lamp(2), _lamp(3, on_hand=0))

    assert done["status"] == "done"
    assert _counts(done) == {"total": 3, "processed": 3, "created": 3, "updated": 0, "unchanged": 0, "failed": 0}
    assert {card["sku"] for card in (await client.get("/products")).json()["items"]} == {"LAMP-1", "LAMP-2", "LAMP-3"}
    (fact,) = await client.facts()
    assert [level["on_hand"] for level in fact["data"]["levels"]] == [5, 0]


async def test_an_imported_product_is_the_one_that_would_have_been_created(shop: Shop) -> None:
    created = await shop.create()

    done = await shop.import_all(LAMP)

    assert done["unchanged"] == 1
    assert (await shop.client.get(f"/products/{created['id']}")).json() == created


async def test_good_rows_survive_bad_neighbours_and_each_bad_one_is_told(shop: Shop, client: Client) -> None:
    done = await shop.import_all(
        _lamp(1),
        '{"sku": "broken"',
        "",
        _lamp(4, price={"amount": "1", "currency": "EUR"}),
        _lamp(5, colour="unknown"),
        _lamp(6, name=7),
        _lamp(1, name="The same SKU"),
        "[1, 2]",
        '{"sku": "L", "name": "\\ud800", "price": {"amount": "1.00", "currency": "EUR"}}',
        "[" * 5000,
        _lamp(11),
    )

    assert done["status"] == "done"
    assert _counts(done) == {"total": 10, "processed": 10, "created": 2, "updated": 0, "unchanged": 0, "failed": 8}
    told = {error["line"]: error["message"] for error in done["errors"]}
    assert list(told) == [2, 4, 5, 6, 7, 8, 9, 10]
    assert told[2] == "not valid JSON"
    assert told[4].startswith("price: ")
    assert told[5] == "colour: Extra inputs are not permitted"
    assert told[6].startswith("name: ")
    assert told[7] == "sku: came before, in line 1"
    assert told[8].startswith("row: ")
    assert len((await client.get("/products")).json()["items"]) == 2


async def test_only_what_differs_becomes_a_new_version(shop: Shop, client: Client, clock: Clock) -> None:
    await shop.import_all(_lamp(1), _lamp(2))
    clock.advance(seconds=60)

    done = await shop.import_all(_lamp(1), _lamp(2, name="Renamed"))

    assert (done["updated"], done["unchanged"]) == (1, 1)
    versions = await client.rows("SELECT sku, version, updated_at > created_at AS moved FROM product ORDER BY sku")
    assert versions == [
        {"sku": "LAMP-1", "version": 1, "moved": False},
        {"sku": "LAMP-2", "version": 2, "moved": True},
    ]


async def test_an_import_of_which_nothing_can_be_used_has_failed(shop: Shop) -> None:
    done = await shop.import_all("{}", "nonsense")

    assert done["status"] == "failed"
    assert done["failed"] == 2
    assert done["finished_at"] is not None


async def test_a_service_that_dies_between_chunks_goes_on_where_it_was(shop: Shop, client: Client) -> None:
    rows = [_lamp(n, on_hand=1) for n in range(ROWS_AT_ONCE * 2 + 1)]
    job_id = await shop.start_import(*rows, _lamp(0, name="The first SKU again"))

    queued = await shop.progress(job_id)
    await work_on_imports(client.runtime)
    halfway = await shop.progress(job_id)
    with pytest.raises(_Killed):
        await _die_before_commit(client)
    after_the_crash = await shop.progress(job_id)
    while await work_on_imports(client.runtime):
        pass
    done = await shop.progress(job_id)

    assert (queued["status"], queued["processed"]) == ("queued", 0)
    assert (halfway["status"], halfway["processed"]) == ("running", ROWS_AT_ONCE)
    assert after_the_crash == halfway
    assert _counts(done) == {
        "total": len(rows) + 1,
        "processed": len(rows) + 1,
        "created": len(rows),
        "updated": 0,
        "unchanged": 0,
        "failed": 1,
    }
    assert done["errors"] == [{"line": len(rows) + 1, "message": "sku: came before, in line 1"}]
    assert [len(fact["data"]["levels"]) for fact in await client.facts()] == [ROWS_AT_ONCE, ROWS_AT_ONCE, 1]
    assert await client.rows("SELECT 1 FROM import_chunk UNION ALL SELECT 1 FROM import_sku") == []


async def test_two_workers_never_do_a_chunk_twice(shop: Shop, client: Client) -> None:
    job_id = await shop.start_import(*(_lamp(n) for n in range(ROWS_AT_ONCE + 1)))

    while any(await asyncio.gather(*(work_on_imports(client.runtime) for _ in range(3)))):
        pass

    assert (await shop.progress(job_id))["created"] == ROWS_AT_ONCE + 1


async def test_only_the_first_hundred_errors_are_kept(shop: Shop) -> None:
    done = await shop.import_all(*(["nonsense"] * 120), _lamp(1))

    assert done["failed"] == 120
    assert len(done["errors"]) == imports.ERRORS_KEPT


async def test_csv_has_a_header_and_attributes_in_columns(shop: Shop, client: Client) -> None:
    content = (
        "\ufeffsku,name,price,currency,description,gtin,on_hand,attr.colour,attr.watts,attr.dimmable,attr.code\r\n"
        'LAMP-1,"Lamp, small",12.50,EUR,"two\r\nlines",4006381333931|4006381333948,7,red,7.5,true,007\r\n'
        "LAMP-2,Lamp,cheap,EUR,,,many,,,,\r\n"
        "LAMP-3,Lamp,1.00,EUR,,,,,,,,too,many\r\n"
        "LAMP-4,No price,,,,,,,,,\r\n"
    )

    answer = await shop.post_import(content, "text/csv; charset=utf-8")
    await work_on_imports(client.runtime)

    done = await shop.progress(answer.json()["id"])
    assert (done["created"], done["failed"]) == (1, 3)
    assert [error["line"] for error in done["errors"]] == [4, 5, 6]
    assert "price" in done["errors"][0]["message"]
    assert "on_hand" in done["errors"][0]["message"]
    assert "cells beyond the header" in done["errors"][1]["message"]
    (card,) = (await client.get("/products")).json()["items"]
    shown = (await client.get(f"/products/{card['id']}")).json()
    assert shown["name"] == "Lamp, small"
    assert shown["description"] == "two\r\nlines"
    assert shown["gtin"] == ["4006381333931", "4006381333948"]
    assert shown["attributes"] == {"colour": "red", "watts": 7.5, "dimmable": True, "code": "007"}


@pytest.mark.parametrize(
    ("content", "kind", "status", "slug"),
    [
        (b"{}", "application/json", 415, "unsupported-media-type"),
        (b"", "application/x-ndjson", 422, "import-empty"),
        (b"\n \r\n", "application/jsonl", 422, "import-empty"),
        (b"", "text/csv", 422, "import-empty"),
        (b"sku,name\n", "text/csv", 422, "import-empty"),
        (b"sku,colour\n1,red\n", "text/csv", 422, "csv-unreadable"),
        (b'sku,name\n1,"unfinished', "text/csv", 422, "csv-unreadable"),
        (b"sku,name\n1,\xff\xfe\n", "text/csv", 422, "csv-unreadable"),
    ],
)
async def test_a_payload_that_is_no_import_is_refused(
    shop: Shop, content: bytes, kind: str, status: int, slug: str
) -> None:
    answer = await shop.post_import(content, kind)

    assert (answer.status_code, answer.json()["type"]) == (status, slug)


async def test_a_payload_may_be_as_large_as_an_import_but_no_larger(shop: Shop) -> None:
    line = json.dumps(_lamp(1) | {"description": "x" * 19_000}).encode() + b"\n"

    fits = await shop.post_import(line * (8 * 1024 * 1024 // len(line)))
    too_large = await shop.post_import(b" " * (IMPORT_BYTES + 1))

    assert fits.status_code == 202
    assert too_large.status_code == 413


async def test_without_an_import_there_is_nothing_to_do(client: Client) -> None:
    assert await work_on_imports(client.runtime) is False


class _Killed(Exception):
    """The process ended here."""


async def _die_before_commit(client: Client) -> None:
    async with client.runtime.database.begin() as session:
        await imports.work(session, at=client.runtime.clock())
        raise _Killed


def _lamp(n: int, **fields: Any) -> dict[str, Any]:
    return LAMP | {"sku": f"LAMP-{n}"} | fields


def _counts(progress: dict[str, Any]) -> dict[str, int]:
    return {name: progress[name] for name in ("total", "processed", "created", "updated", "unchanged", "failed")}
