import os
from pathlib import Path
from typing import Any

import pytest

from services.local.customer import accounts, client, importing, mail, place, seed
from services.local.customer.accounts import AddressTaken
from services.local.customer.client import Reply, Unexpected, Unreachable
from services.local.customer.formats import JSON_LINES, Part
from services.local.customer.importing import RowError, Summary, Unfinished
from services.local.customer.place import NothingRuns, Place
from services.local.customer.seeding import Unseeded
from services.local.state import Phase, Record, State, birth
from tests.unit.customer.shop import Shop

PARTS = [
    Part(content_type=JSON_LINES, body=b"1\n2\n", lines={1: 1, 2: 3}),
    Part(content_type=JSON_LINES, body=b"3\n", lines={1: 5}),
]


def told(status: str = "done", *, processed: int, failed: int = 0, errors: tuple[Any, ...] = ()) -> dict[str, Any]:
    created = processed - failed
    counts = {"processed": processed, "created": created, "updated": 0, "unchanged": 0, "failed": failed}
    return {"status": status, "errors": list(errors), **counts}


async def sent(where: Place, parts: list[Part], *, limit: float = importing.LIMIT) -> tuple[Summary, list[int]]:
    reported: list[int] = []
    async with client.connected(where.base_url) as api:
        staff = await accounts.as_operator(api, where)
        summary = await importing.send(staff, parts, report=reported.append, limit=limit)
    return summary, reported


async def test_every_part_is_followed_until_it_is_done(shop: Shop, place: Place) -> None:
    shop.import_answers = [told("running", processed=1), told(processed=2), told(processed=1)]

    summary, reported = await sent(place, PARTS)

    assert (summary.created, summary.rows) == (3, 3)
    assert reported == [1, 2, 2, 3, 3]
    assert [body for _, body in shop.imports] == [b"1\n2\n", b"3\n"]


async def test_a_bad_row_is_told_by_its_line_in_the_file(shop: Shop, place: Place) -> None:
    errors = ({"line": 2, "message": "price: missing"}, {"line": 99, "message": "strange"})
    shop.import_answers = [told(processed=2, failed=2, errors=errors), told(processed=1)]

    summary, _ = await sent(place, PARTS)

    assert (summary.created, summary.failed) == (1, 2)
    assert summary.errors == [RowError(line=3, message="price: missing"), RowError(line=99, message="strange")]


async def test_an_import_that_never_ends_is_given_up(shop: Shop, place: Place) -> None:
    shop.import_answers = [told("running", processed=0)] * 50

    with pytest.raises(Unfinished, match="has not finished"):
        await sent(place, PARTS, limit=0.05)


async def test_the_generated_catalogue_is_seeded_with_its_pictures(shop: Shop, place: Place, tmp_path: Path) -> None:
    said: list[str] = []

    count = await seed(place.base_url, {"operator-password": "secret"}, said.append, media=tmp_path / "media")

    assert count == 2_000
    assert shop.imports[0][1].count(b"\n") == 2_000
    assert said == ["drew 2000 pictures"]


async def test_seeding_says_when_the_shop_refuses_a_product(shop: Shop, place: Place) -> None:
    shop.import_answers = [told(processed=2_000, failed=1, errors=({"line": 1, "message": "no"},))]

    with pytest.raises(Unseeded, match="1 demo products were refused, the first: no"):
        await seed(place.base_url, {"operator-password": "secret"}, lambda _: None)


async def test_pictures_are_drawn_only_where_they_are_wanted(place: Place) -> None:
    said: list[str] = []

    assert await seed(place.base_url, {"operator-password": "secret"}, said.append) == 2_000

    assert said == []


async def test_an_account_gets_its_role_from_the_operator(shop: Shop, place: Place) -> None:
    staff_id = await accounts.add(place, "sam@example.com", "long enough", role="staff")
    await accounts.add(place, "ada@example.com", "long enough", role="customer")

    assert shop.roles == {staff_id: "staff"}
    assert shop.users["sam@example.com"]["password"] == "long enough"


async def test_an_address_belongs_to_one_account(place: Place) -> None:
    await accounts.add(place, "ada@example.com", "long enough", role="customer")

    with pytest.raises(AddressTaken, match=r"ada@example\.com has an account already"):
        await accounts.add(place, "ada@example.com", "other", role="customer")


async def test_letters_are_read_from_the_mailbox(shop: Shop, place: Place) -> None:
    shop.mail = [{"to": "ada@example.com", "subject": "one"}, {"to": "ben@example.com", "subject": "two"}]

    assert len(await mail.letters(place.mailbox_url)) == 2
    assert [letter["subject"] for letter in await mail.letters(place.mailbox_url, to="ben@example.com")] == ["two"]


async def test_who_does_not_answer_is_unreachable() -> None:
    async with client.connected("http://127.0.0.1:9") as api:
        with pytest.raises(Unreachable, match="GET /products"):
            await api.get("/products")
    with pytest.raises(Unreachable, match="The mailbox"):
        await mail.letters("http://127.0.0.1:9")


def reply(status: int, content: bytes) -> Reply:
    return Reply(asked="GET /x", status=status, headers={}, content=content)


def test_an_unexpected_answer_is_told_with_what_the_shop_says() -> None:
    content = b'{"type": "invalid", "title": "Invalid", "errors": [{"field": "sku", "message": "missing"}]}'

    with pytest.raises(Unexpected, match="GET /x answered 422 instead of 200 or 201: invalid, Invalid, sku: missing"):
        reply(422, content).expect(200, 201)


@pytest.mark.parametrize("content", [b"Bad gateway", b"[1]", b'{"type": 5}'])
def test_an_answer_that_is_no_problem_is_told_as_it_is(content: bytes) -> None:
    assert reply(502, content).problem == content.decode()


def test_an_empty_answer_has_no_json() -> None:
    assert reply(204, b"").expect(204) is None


def test_where_nothing_runs_there_is_no_place(tmp_path: Path) -> None:
    with pytest.raises(NothingRuns, match=r"\./sidecart up"):
        place.running(State(tmp_path))


def test_the_running_system_is_a_place(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text('{"operator-password": "p"}')
    me = os.getpid()
    state = State(tmp_path)
    state.write(Record(supervisor=me, started=birth(me), offset=20, phase=Phase.HEALTHY))

    assert place.running(state).base_url == "http://127.0.0.1:8100"


def test_a_place_follows_the_offset(tmp_path: Path) -> None:
    (tmp_path / "secrets.json").write_text('{"operator-password": "p"}')

    where = place.at_offset(State(tmp_path), 1000)

    assert (where.base_url, where.mailbox_url) == ("http://127.0.0.1:9080", "http://127.0.0.1:9631")
    assert where.operator_password == "p"
