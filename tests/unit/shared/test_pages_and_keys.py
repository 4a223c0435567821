"""Cursors and idempotency keys: opaque to callers, exact to us."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from services.shared import errors
from services.shared.idempotency import (
    Fingerprint,
    IdempotencyKey,
    IdempotencyKeyReused,
    check_fingerprint,
    command_id,
    fingerprint,
)
from services.shared.pages import InvalidCursor, decode_cursor, encode_cursor, page_of


@given(st.uuids(), st.integers(-(2**63) + 1, 2**63 - 1), st.datetimes(timezones=st.just(UTC)))
def test_a_cursor_gives_back_its_position(id_: UUID, number: int, at: datetime) -> None:
    cursor = encode_cursor(str(id_), number, at.isoformat())

    assert decode_cursor(cursor, UUID, int, datetime.fromisoformat) == (id_, number, at)


@pytest.mark.parametrize("cursor", ["", "x", "e30", "bnVsbA", "WzFd", encode_cursor("x", "y"), "ÿ", encode_cursor("x")])
def test_a_cursor_that_this_list_did_not_give_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(cursor, UUID)


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        ("a\x00b", str),
        ("\ud800", str),
        (2**63, int),
        (math.inf, int),
        ("0001-01-01T00:00:00+23:59", datetime.fromisoformat),
    ],
)
def test_a_cursor_that_no_database_could_compare_is_refused(part: Any, kind: Callable[[Any], Any]) -> None:
    with pytest.raises(InvalidCursor):
        decode_cursor(encode_cursor(part), kind)


def test_a_moment_in_a_cursor_is_told_in_utc() -> None:
    cursor = encode_cursor("2026-03-01T23:59:00+23:59")

    (moment,) = decode_cursor(cursor, datetime.fromisoformat) or ()

    assert moment.isoformat() == "2026-03-01T00:00:00+00:00"


def test_no_cursor_is_the_beginning() -> None:
    assert decode_cursor(None, UUID) is None


def test_a_page_tells_whether_there_is_another() -> None:
    full = page_of([1, 2, 3], 2, str, lambda number: (number,))
    last = page_of([3], 2, str, lambda number: (number,))

    assert (full.items, decode_cursor(full.next_cursor, int)) == (["1", "2"], (2,))
    assert (last.items, last.next_cursor) == (["3"], None)


def test_a_fingerprint_ignores_how_json_is_written_but_nothing_else() -> None:
    first = fingerprint("POST", "/orders", {"a": 1, "b": [1, 2]})

    assert first == fingerprint("POST", "/orders", {"b": [1, 2], "a": 1})
    assert first != fingerprint("POST", "/orders", {"a": 1, "b": [2, 1]})
    assert first != fingerprint("POST", "/payments", {"a": 1, "b": [1, 2]})


def test_a_command_is_its_principal_operation_and_key() -> None:
    me, you = uuid4(), uuid4()

    assert command_id(me, "pay", "k") == command_id(me, "pay", "k")
    assert len({command_id(me, "pay", "k"), command_id(you, "pay", "k"), command_id(me, "refund", "k")}) == 3


def test_a_key_with_another_body_is_refused() -> None:
    check_fingerprint("a", "a")
    with pytest.raises(IdempotencyKeyReused):
        check_fingerprint("a", "b")


app = FastAPI()
errors.install(app)


@app.post("/things")
async def make(key: IdempotencyKey, print_: Fingerprint) -> list[str]:
    return [key, print_]


@pytest.mark.parametrize(
    ("key", "status"), [("k", 200), ("k" * 255, 200), ("k" * 256, 400), ("", 400), ("a\tb", 400), (None, 400)]
)
def test_a_key_is_1_to_255_printable_characters(key: str | None, status: int) -> None:
    answer = TestClient(app).post("/things", json={}, headers={} if key is None else {"Idempotency-Key": key})

    assert answer.status_code == status
    assert status == 200 or answer.json()["type"] == "idempotency-key-required"


def test_a_body_that_is_empty_or_no_json_has_a_fingerprint_too() -> None:
    client = TestClient(app, headers={"Idempotency-Key": "k"})

    contents = (b"", b"<x>", b"{}", b"[" * 100_000)
    prints = {client.post("/things", content=content).json()[1] for content in contents}

    assert len(prints) == 4
