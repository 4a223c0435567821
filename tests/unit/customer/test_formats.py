import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from services.local.customer import formats
from services.local.customer.formats import CSV, JSON_LINES, Part, Row, UnknownFormat

REFERENCE = {
    "sku": "3920564",
    "model": "006R90321",
    "title": "Xerox toner cartridge",
    "brand": "Xerox",
    "description": "",
    "gtin": ["0095205603217"],
    "price_cents_usd": 4995,
    "released": "2009-12-10",
    "attributes": {"type": "Original", "quantity_per_pack": 6.0},
}


def written(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    if file.suffix == ".gz":
        file.write_bytes(gzip.compress(text.encode()))
    else:
        file.write_text(text)
    return file


def parts(file: Path, *, on_hand: int | None = None, largest: int = formats.LARGEST) -> list[Part]:
    return list(formats.parts(file, on_hand=on_hand, largest=largest))


def rows(part: Part) -> list[Any]:
    return [json.loads(line) for line in part.body.splitlines()]


def test_the_reference_catalogue_becomes_the_shops_format(tmp_path: Path) -> None:
    file = written(tmp_path, "products.jsonl.gz", json.dumps(REFERENCE) + "\n")

    (part,) = parts(file, on_hand=100)

    assert part.content_type == JSON_LINES
    assert rows(part) == [
        {
            "sku": "3920564",
            "name": "Xerox toner cartridge",
            "brand": "Xerox",
            "gtin": ["0095205603217"],
            "price": {"amount": "49.95", "currency": "USD"},
            "attributes": {
                "type": "Original",
                "quantity_per_pack": 6.0,
                "model": "006R90321",
                "released": "2009-12-10",
            },
            "on_hand": 100,
        }
    ]


def test_a_row_in_the_shops_format_goes_as_it_is_and_keeps_its_own_stock(tmp_path: Path) -> None:
    own = {"sku": "A", "name": "Lamp", "price": {"amount": "12.50", "currency": "EUR"}, "on_hand": 3}

    (part,) = parts(written(tmp_path, "own.jsonl", json.dumps(own)), on_hand=100)

    assert rows(part) == [own]


def test_rows_that_cannot_be_read_are_left_to_the_shop_to_refuse(tmp_path: Path) -> None:
    file = written(tmp_path, "bad.ndjson", '{"sku": \n\n[1]\n{"sku": "A"}\n')

    (part,) = parts(file)

    assert part.body.splitlines() == [b'{"sku":', b"[1]", b'{"sku": "A"}']
    assert part.lines == {1: 1, 2: 3, 3: 4}


def test_an_empty_file_is_no_request_at_all(tmp_path: Path) -> None:
    assert parts(written(tmp_path, "empty.jsonl", "\n\n")) == []
    assert parts(written(tmp_path, "empty.csv", "")) == []


def test_csv_goes_as_csv_with_the_opening_stock_beside(tmp_path: Path) -> None:
    file = written(tmp_path, "own.csv", 'sku,name,price,currency\nA,"Lamp, brass",12.50,EUR\n\nB,Desk,90.00,EUR\n')

    (part,) = parts(file, on_hand=7)

    assert part.content_type == CSV
    assert part.body.decode() == 'sku,name,price,currency,on_hand\nA,"Lamp, brass",12.50,EUR,7\nB,Desk,90.00,EUR,7\n'
    assert part.lines == {2: 2, 3: 4}


def test_csv_that_names_its_stock_keeps_it(tmp_path: Path) -> None:
    text = "sku,name,price,currency,on_hand\nA,Lamp,12.50,EUR,3\n"

    (part,) = parts(written(tmp_path, "own.csv", text), on_hand=7)

    assert part.body.decode() == text


def test_a_row_over_several_lines_is_told_by_its_last(tmp_path: Path) -> None:
    file = written(tmp_path, "own.csv", 'sku,name\nA,"two\nlines"\nB,one\n')

    (part,) = parts(file)

    assert part.lines == {3: 3, 4: 4}


def test_the_reference_catalogue_is_understood_as_csv_too(tmp_path: Path) -> None:
    file = written(
        tmp_path, "reference.csv", 'sku,title,price_cents_usd,attributes\nA,Lamp,5,"{""watts"": 5}"\nB,Desk,900,\n'
    )

    (part,) = parts(file, on_hand=1)

    assert part.content_type == JSON_LINES
    assert [row["price"]["amount"] for row in rows(part)] == ["0.05", "9.00"]
    assert [row["attributes"] for row in rows(part)] == [{"watts": 5}, {}]


def test_a_large_file_is_cut_into_requests_that_are_not_larger_than_allowed() -> None:
    source = [Row(line=line, content=b"x" * 9) for line in range(1, 8)]

    cut = list(formats.cut(source, content_type=CSV, largest=35, first=b"head"))

    assert [len(part.body) for part in cut] == [35, 35, 15]
    assert all(part.body.startswith(b"head\n") for part in cut)
    assert [list(part.lines.values()) for part in cut] == [[1, 2, 3], [4, 5, 6], [7]]


def test_a_row_that_is_larger_than_a_request_gets_one_for_itself() -> None:
    source = [Row(line=1, content=b"x" * 50), Row(line=2, content=b"y")]

    cut = list(formats.cut(source, content_type=JSON_LINES, largest=10))

    assert [part.lines for part in cut] == [{1: 1}, {1: 2}]


@pytest.mark.parametrize("name", ["products.xlsx", "products.gz", "products"])
def test_other_formats_are_refused_by_their_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(UnknownFormat, match="neither JSON Lines"):
        parts(written(tmp_path, name, "x"))
