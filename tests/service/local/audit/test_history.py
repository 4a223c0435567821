"""What clients saw, against what is there."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.service.local.audit.conftest import Case
from tests.service.local.audit.town import KEY

Write = Callable[..., None]


@pytest.fixture
def write(case: Case, tmp_path: Path) -> Write:
    """Write an operation with how it ended into the history."""
    history = tmp_path / "history.jsonl"
    history.touch()
    case.sources = replace(case.sources, histories=[history])

    def write(f: str, ended: str | None, value: dict[str, Any], **told: Any) -> None:
        operation = {"time": 1.0, "process": "ada", "f": f, "id": str(uuid4())}
        lines = [operation | {"type": "invoke", "value": value}]
        lines += [operation | {"type": ended, "value": value | told}] if ended else []
        with history.open("a") as stream:
            stream.writelines(json.dumps(line) + "\n" for line in lines)

    return write


@pytest.fixture
def place(case: Case) -> dict[str, Any]:
    """What Ada asked for when she placed the order that is pending."""
    lamp = {"product_id": str(case.sold.ids["lamp"]), "quantity": 1}
    items = [lamp, lamp | {"quantity": 2}]
    return {"user_id": str(case.sold.ids["ada"]), "key": KEY, "items": items}


def of(case: Case, name: str) -> dict[str, Any]:
    return {"order_id": case.sold.ids[name]}


async def test_what_clients_were_told_is_there(case: Case, write: Write, place: dict[str, Any]) -> None:
    write("place", "ok", place, **of(case, "pending"))
    write("place", "info", place)
    write("place", None, place)
    write("place", "fail", place | {"items": []})
    write("pay", "fail", of(case, "cancelled"), decline_code="generic_decline")
    write("pay", "ok", of(case, "paid"), status="succeeded")
    write("cancel", "ok", of(case, "refunded"))
    write(
        "refund",
        "ok",
        {"payment_id": case.sold.ids["delivered_payment"], "amount_minor": 500},
        refund_id=case.sold.ids["refund"],
    )

    report = await case.audit()

    assert report.findings == []
    assert report.counted["I1"]["acknowledged"] == 1


async def test_a_line_that_was_cut_off_is_nobodys_operation(case: Case, write: Write, tmp_path: Path) -> None:
    del write
    (tmp_path / "history.jsonl").write_text('{"time": 1.0, "proc')

    assert await case.found() == set()


async def test_an_acknowledged_order_that_is_not_there_is_found(
    case: Case, write: Write, place: dict[str, Any]
) -> None:
    write("place", "ok", place, order_id=str(uuid4()))

    assert await case.found() == {"acknowledged-order-lost", "key-gave-another-order"}


async def test_an_order_with_other_lines_than_were_asked_for_is_found(
    case: Case, write: Write, place: dict[str, Any]
) -> None:
    write("place", "ok", place, **of(case, "paid"))

    assert await case.found() == {"acknowledged-order-differs", "key-gave-another-order"}


async def test_an_order_that_was_refused_and_yet_is_there_is_found(
    case: Case, write: Write, place: dict[str, Any]
) -> None:
    write("place", "fail", place)

    assert await case.found() == {"refused-order-exists"}


async def test_two_orders_of_one_key_are_found(case: Case, write: Write, place: dict[str, Any]) -> None:
    write("place", "ok", place, **of(case, "pending"))
    write("place", "ok", place, **of(case, "paid"))

    assert await case.found() == {"key-gave-two-orders", "key-gave-another-order", "acknowledged-order-differs"}


async def test_one_key_for_two_bodies_is_found(case: Case, write: Write, place: dict[str, Any]) -> None:
    write("place", "ok", place, **of(case, "pending"))
    write("place", "ok", place | {"items": place["items"][:1]}, **of(case, "pending"))

    assert "key-took-two-bodies" in await case.found()


async def test_an_order_given_for_two_keys_leaves_one_of_them_without(
    case: Case, write: Write, place: dict[str, Any]
) -> None:
    write("place", "ok", place, **of(case, "pending"))
    write("place", "ok", place | {"key": "another-key"}, **of(case, "pending"))

    assert await case.found() == {"order-given-twice", "key-gave-another-order"}


async def test_an_order_that_is_not_its_keys_is_found_even_if_nobody_was_told_of_another(
    case: Case, write: Write, place: dict[str, Any]
) -> None:
    write("place", "info", place | {"key": "another-key"})
    write("place", "ok", place | {"key": "another-key"}, **of(case, "pending"))

    assert await case.found() == {"key-gave-another-order"}


async def test_a_payment_that_was_acknowledged_and_not_taken_is_found(case: Case, write: Write) -> None:
    write("pay", "ok", of(case, "cancelled"), status="succeeded")

    assert await case.found() == {"acknowledged-payment-lost"}


async def test_money_that_was_taken_after_nothing_but_refusals_is_found(case: Case, write: Write) -> None:
    write("pay", "fail", of(case, "paid"), decline_code="generic_decline")

    assert await case.found() == {"charged-though-declined"}


async def test_a_cancellation_that_was_acknowledged_and_forgotten_is_found(case: Case, write: Write) -> None:
    write("cancel", "ok", of(case, "paid"))

    assert await case.found() == {"acknowledged-cancellation-lost"}


@pytest.mark.parametrize("amount", [499, None])
async def test_a_refund_that_was_acknowledged_and_is_not_there_is_found(
    case: Case, write: Write, amount: int | None
) -> None:
    refund_id = case.sold.ids["refund"] if amount else str(uuid4())
    write(
        "refund", "ok", {"payment_id": case.sold.ids["delivered_payment"], "amount_minor": amount}, refund_id=refund_id
    )

    assert await case.found() == {"acknowledged-refund-lost"}
