"""Payloads of imports are cut and read row by row."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.product.payload import ROWS_AT_ONCE, CsvUnreadable, UnknownFormat, cut, read, without
from services.product.store.imports import Chunk

JSON = "application/x-ndjson"
LAMP: dict[str, Any] = {"sku": "L", "name": "Lamp", "price": {"amount": "1.00", "currency": "EUR"}}


def test_a_payload_is_cut_into_chunks_that_know_their_lines() -> None:
    payload = b"\n".join(b"{}" if n % 2 else b"" for n in range(ROWS_AT_ONCE * 2 + 2))

    first, second = cut(payload, JSON)

    assert (len(first.lines), len(second.lines)) == (ROWS_AT_ONCE, 1)
    assert (first.lines[0], second.lines[0]) == (2, ROWS_AT_ONCE * 2 + 2)
    assert second.payload == b"{}"


@given(st.lists(st.binary(max_size=20).map(lambda row: row.replace(b"\n", b"")), max_size=30))
def test_no_payload_of_lines_breaks_the_reader_and_every_row_is_accounted_for(rows: list[bytes]) -> None:
    chunks = cut(b"\n".join([*rows, b"{}"]), JSON)

    for chunk in chunks:
        found = read(chunk)
        assert len(found.good) + len(found.errors) == len(chunk.lines)


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("7", 7),
        ("7.5", 7.5),
        ("true", True),
        ("007", "007"),
        ("red", "red"),
        ("null", "null"),
        ("[1]", "[1]"),
        ('"quoted"', '"quoted"'),
        ("[" * 3000, "[" * 3000),
        ("NaN", "NaN"),
        ("1e400", "1e400"),
        ("12345678901234567890", "12345678901234567890"),
    ],
)
def test_a_cell_that_reads_as_a_number_or_boolean_is_one(cell: str, value: object) -> None:
    table = f'sku,name,price,currency,attr.x\nL,Lamp,1.00,EUR,"{cell.replace(chr(34), chr(34) * 2)}"\n'

    (chunk,) = cut(table.encode(), "text/csv")
    (((_, product),), errors) = (read(chunk).good, read(chunk).errors)

    assert errors == []
    assert product.attributes == {"x": value}
    assert type(product.attributes["x"]) is type(value)


def test_a_cell_that_is_too_large_is_told() -> None:
    table = b"sku,description\nL," + b"x" * 200_000

    with pytest.raises(CsvUnreadable, match="field larger than"):
        cut(table, "text/csv")


def test_the_kind_of_a_payload_is_known_by_its_media_type() -> None:
    assert cut(b"{}", "Application/JSONL; charset=utf-8")
    with pytest.raises(UnknownFormat):
        cut(b"{}", "")


def test_of_a_sku_that_comes_twice_the_first_row_counts() -> None:
    rows = [LAMP, LAMP | {"sku": "M"}, LAMP]
    chunk = Chunk(lines=[4, 5, 9], payload="\n".join(map(json.dumps, rows)).encode())

    found = read(chunk)
    later = without(found, {"M": 2})

    assert [line for line, _ in found.good] == [4, 5]
    assert [line for line, _ in later.good] == [4]
    assert [(error.line, error.message) for error in later.errors] == [
        (5, "sku: came before, in line 2"),
        (9, "sku: came before, in line 4"),
    ]
