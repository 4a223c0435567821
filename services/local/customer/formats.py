"""Product files: which formats are understood, and how a large file becomes requests."""

import csv
import gzip
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TextIO

from services.local.refusals import Refusal

JSON_LINES = "application/x-ndjson"
CSV = "text/csv"
LARGEST = 8 * 1024 * 1024
"""Bytes of one request's body at most, unless a single row is larger."""


class UnknownFormat(Refusal):
    """A product file is JSON Lines or CSV."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One product of a file: the line it ends on, and its bytes as they are sent."""

    line: int
    content: bytes


@dataclass(frozen=True, kw_only=True)
class Part:
    """One request: a body, and for each line of it that ends a row the line of the file that does."""

    content_type: str
    body: bytes
    lines: Mapping[int, int]


def parts(path: Path, *, on_hand: int | None, largest: int = LARGEST) -> Iterator[Part]:
    """Cut a product file into requests.

    :raises UnknownFormat: by its name the file is neither JSON Lines nor CSV
    """
    with opened(path) as text:
        if is_csv(path):
            yield from _csv_parts(text, on_hand=on_hand, largest=largest)
        else:
            yield from cut(_json_rows(text, on_hand=on_hand), content_type=JSON_LINES, largest=largest)


def opened(path: Path) -> TextIO:
    """The text of a file, compressed or not."""
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def is_csv(path: Path) -> bool:
    """Whether a file is CSV and not JSON Lines, by its name.

    :raises UnknownFormat: it is neither
    """
    suffix = path.with_suffix("").suffix if path.suffix == ".gz" else path.suffix
    if suffix not in {".csv", ".jsonl", ".ndjson", ".json"}:
        raise UnknownFormat(f"{path.name} is neither JSON Lines (.jsonl) nor CSV (.csv), compressed (.gz) or not.")
    return suffix == ".csv"


def _json_rows(text: Iterable[str], *, on_hand: int | None) -> Iterator[Row]:
    for line, content in enumerate(text, start=1):
        if content.strip():
            yield Row(line=line, content=_json_row(content, on_hand=on_hand))


def _json_row(content: str, *, on_hand: int | None) -> bytes:
    """A row that is no JSON object goes as it is: the shop tells what is wrong with it, beside the others."""
    try:
        read = json.loads(content, parse_float=Decimal)
    except ValueError:
        return content.strip().encode()
    if not isinstance(read, dict):
        return content.strip().encode()
    return encoded(product(read, on_hand=on_hand))


def encoded(row: dict[str, Any]) -> bytes:
    """A product as a line of JSON."""
    return json.dumps(row, ensure_ascii=False, default=float).encode()


def product(row: dict[str, Any], *, on_hand: int | None) -> dict[str, Any]:
    """A row in the shop's format, whichever of the two it came in; `on_hand` is the stock of rows that name none."""
    converted = from_reference(row) if "title" in row and "price_cents_usd" in row else row
    return converted if on_hand is None else {"on_hand": on_hand} | converted


def from_reference(row: dict[str, Any]) -> dict[str, Any]:
    """The reference catalogue's format in the shop's: title, price in cents, model and release date."""
    told = {name: row[name] for name in ("sku", "description", "brand", "gtin") if row.get(name)}
    extra = {name: row[name] for name in ("model", "released") if row.get(name)}
    return told | {
        "name": row["title"],
        "price": {"amount": f"{Decimal(row['price_cents_usd']) / 100:.2f}", "currency": "USD"},
        "attributes": {**(row.get("attributes") or {}), **extra},
    }


def _csv_parts(text: TextIO, *, on_hand: int | None, largest: int) -> Iterator[Part]:
    reader = csv.reader(text)
    header = next(reader, [])
    if "title" in header and "price_cents_usd" in header:
        yield from cut(_reference_rows(reader, header, on_hand=on_hand), content_type=JSON_LINES, largest=largest)
        return
    added = [] if on_hand is None or "on_hand" in header else [str(on_hand)]
    first = csv_line([*header, *(["on_hand"] if added else [])])
    rows = (Row(line=reader.line_num, content=csv_line([*row, *added])) for row in reader if row)
    yield from cut(rows, content_type=CSV, largest=largest, first=first)


def _reference_rows(reader: Any, header: list[str], *, on_hand: int | None) -> Iterator[Row]:  # noqa: ANN401 - csv's own type is private
    for row in reader:
        named = dict(zip(header, row, strict=False))
        named["attributes"] = json.loads(named.get("attributes") or "{}")
        yield Row(line=reader.line_num, content=encoded(product(named, on_hand=on_hand)))


def csv_line(values: list[str]) -> bytes:
    """One row of CSV, without its line end."""
    written = io.StringIO()
    csv.writer(written, lineterminator="").writerow(values)
    return written.getvalue().encode()


def cut(rows: Iterable[Row], *, content_type: str, largest: int, first: bytes | None = None) -> Iterator[Part]:
    """Put rows together until a request is full; `first` begins every one."""
    opening = b"" if first is None else first + b"\n"
    bodies: list[Row] = []
    size = len(opening)
    for row in rows:
        if bodies and size + len(row.content) + 1 > largest:
            yield _part(bodies, content_type, opening)
            bodies, size = [], len(opening)
        bodies.append(row)
        size += len(row.content) + 1
    if bodies:
        yield _part(bodies, content_type, opening)


def _part(rows: list[Row], content_type: str, opening: bytes) -> Part:
    body, lines, line = [opening], {}, opening.count(b"\n")
    for row in rows:
        body.append(row.content + b"\n")
        line += body[-1].count(b"\n")
        lines[line] = row.line
    return Part(content_type=content_type, body=b"".join(body), lines=lines)
