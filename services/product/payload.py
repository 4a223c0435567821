"""An import's payload: JSON Lines or CSV, cut into chunks when it comes, read row by row when its turn has come."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pydantic import ValidationError

from services.product.shapes import LARGEST_NUMBER, ProductBody, RowError
from services.product.store.imports import Chunk
from services.shared.errors import Invalid, Refusal

ROWS_AT_ONCE = 500
JSON_LINES = frozenset({"application/x-ndjson", "application/json-lines", "application/jsonl"})
CSV = "text/csv"

_PLAIN_COLUMNS = ("sku", "name", "description", "category", "brand")
_COLUMNS = frozenset({*_PLAIN_COLUMNS, "price", "currency", "gtin", "on_hand"})
_ATTRIBUTE = "attr."
_BEYOND = "cells beyond the header"
_LONGEST_MESSAGE = 300

Line = tuple[int, bytes]


class UnknownFormat(Refusal):
    """An import is JSON Lines (application/x-ndjson) or CSV (text/csv)."""

    status = 415
    slug = "unsupported-media-type"


class ImportEmpty(Invalid):
    """The import has no rows."""


class CsvUnreadable(Invalid):
    """The CSV cannot be read: {why}."""


@dataclass(frozen=True, kw_only=True)
class ReadRows:
    """The rows of a chunk: the good ones by their line, and what is wrong with the others."""

    good: Sequence[tuple[int, ProductBody]]
    errors: Sequence[RowError]


def cut(body: bytes, media_type: str) -> list[Chunk]:
    """A payload in chunks of one row a line; blank lines count but are left out.

    :raises UnknownFormat: it is neither JSON Lines nor CSV.
    :raises CsvUnreadable: it is no CSV, or has columns that nobody knows.
    :raises ImportEmpty: there are no rows.
    """
    kind = media_type.partition(";")[0].strip().lower()
    if kind not in {*JSON_LINES, CSV}:
        raise UnknownFormat
    content = body.removeprefix(b"\xef\xbb\xbf")
    chunks = list(_chunks(_csv_lines(content) if kind == CSV else _json_lines(content)))
    if not chunks:
        raise ImportEmpty
    return chunks


def _chunks(lines: Iterator[Line]) -> Iterator[Chunk]:
    while rows := list(islice(lines, ROWS_AT_ONCE)):
        yield Chunk(lines=[line for line, _ in rows], payload=b"\n".join(row for _, row in rows))


def _json_lines(content: bytes) -> Iterator[Line]:
    return ((n, row) for n, line in enumerate(content.split(b"\n"), start=1) if (row := line.strip()))


def _csv_lines(content: bytes) -> Iterator[Line]:
    try:
        reader = csv.DictReader(io.StringIO(content.decode(), newline=""), restkey=_BEYOND, strict=True)
        columns = reader.fieldnames or []
        unknown = [name for name in columns if name not in _COLUMNS and not name.startswith(_ATTRIBUTE)]
        if unknown:
            raise CsvUnreadable(why=f"unknown columns {', '.join(unknown[:5])[:200]}")
        for row in reader:
            yield reader.line_num, json.dumps(_product(row)).encode()
    except (csv.Error, UnicodeDecodeError) as error:
        raise CsvUnreadable(why=str(error)[:200]) from error


def _product(row: dict[str, Any]) -> dict[str, Any]:
    cells = {name: cell for name, cell in row.items() if cell}
    product: dict[str, Any] = {name: cells[name] for name in (*_PLAIN_COLUMNS, _BEYOND) if name in cells}
    if "price" in cells:
        product["price"] = {"amount": cells["price"], "currency": cells.get("currency")}
    if "gtin" in cells:
        product["gtin"] = cells["gtin"].replace("|", " ").split()
    if "on_hand" in cells:
        product["on_hand"] = _literal(cells["on_hand"])
    attributes = {name.removeprefix(_ATTRIBUTE): _literal(cells[name]) for name in cells if name.startswith(_ATTRIBUTE)}
    return product | {"attributes": attributes}


def _literal(cell: str) -> str | int | float | bool:
    """A cell that reads as a JSON number that is not too large, or as a boolean, is one; `007` is text."""
    try:
        found = json.loads(cell)
    except (ValueError, RecursionError):
        return cell
    fits = isinstance(found, (bool, int, float)) and abs(found) <= LARGEST_NUMBER
    return found if fits else cell


def read(chunk: Chunk) -> ReadRows:
    """The rows of a chunk, each judged for itself; of a SKU that comes twice the first row counts."""
    good: list[tuple[int, ProductBody]] = []
    errors: list[RowError] = []
    line_of: dict[str, int] = {}
    for line, row in zip(chunk.lines, chunk.payload.split(b"\n"), strict=True):
        try:
            product = ProductBody.model_validate_json(row)
        except ValidationError as error:
            errors.append(RowError(line=line, message=_message(error)))
            continue
        if product.sku in line_of:
            errors.append(repeated(line, line_of[product.sku]))
            continue
        line_of[product.sku] = line
        good.append((line, product))
    return ReadRows(good=good, errors=errors)


def repeated(line: int, first: int) -> RowError:
    """The error of a row whose SKU came before."""
    return RowError(line=line, message=f"sku: came before, in line {first}")


def without(rows: ReadRows, earlier: Mapping[str, int]) -> ReadRows:
    """The rows less those whose SKU came in an earlier line of the import."""
    errors = [repeated(line, earlier[product.sku]) for line, product in rows.good if product.sku in earlier]
    good = [(line, product) for line, product in rows.good if product.sku not in earlier]
    return ReadRows(good=good, errors=sorted([*rows.errors, *errors], key=lambda error: error.line))


def _message(error: ValidationError) -> str:
    found = error.errors(include_url=False, include_context=False, include_input=False)
    if found[0]["type"] == "json_invalid":
        return "not valid JSON"
    return "; ".join(_told(one["loc"], one["msg"]) for one in found[:5])[:_LONGEST_MESSAGE]


def _told(location: Iterable[int | str], message: str) -> str:
    return f"{'.'.join(map(str, location)) or 'row'}: {message}"
