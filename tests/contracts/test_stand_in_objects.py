"""Every object that the stand-in emits is as Stripe's OpenAPI document describes it, with no property beside."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.contracts import specification, stand_in_scenario
from tests.contracts.recording import Exchange


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[list[Exchange], list[Any]]]:
    """All answers and all events."""
    folder: Path = tmp_path_factory.mktemp("stand-in")
    with stand_in_scenario.recorded(folder) as (stand_in, recorder, shop):
        stand_in_scenario.everything(stand_in)
        stand_in_scenario.err(stand_in)
        stand_in_scenario.everything_told(stand_in, shop)
        yield recorder.exchanges, [event.to_dict() for event in shop.events]


Told = tuple[list[Exchange], list[Any]]


def test_every_answer_is_as_stripe_describes_it(told: Told) -> None:
    answers = [exchange for exchange in told[0] if exchange.path.startswith("/v1/") and exchange.path != "/v1/unicorns"]

    assert sorted({complaint for answer in answers for complaint in complaints_about(answer)}) == []


def complaints_about(exchange: Exchange) -> list[str]:
    schema = specification.answer_schema(exchange.method, exchange.path, exchange.status)
    about = re.sub(r"_[a-zA-Z0-9]{24}", "_…", f"{exchange.method} {exchange.path} {exchange.status}")
    return [f"{about} {complaint}" for complaint in specification.complaints(schema, exchange.answer)]


def test_every_event_is_as_stripe_describes_it_and_so_is_what_it_is_about(told: Told) -> None:
    described = [("event", event) for event in told[1]]
    described += [(event["data"]["object"]["object"], event["data"]["object"]) for event in told[1]]

    wrong = {
        f"{kind} {complaint}"
        for kind, value in described
        for complaint in specification.complaints(specification.object_schema(kind), value)
    }

    assert sorted(wrong) == []


def test_every_kind_of_object_error_and_event_was_seen(told: Told) -> None:
    answers = [exchange.answer for exchange in told[0] if exchange.path.startswith("/v1/")]
    errors = {answer["error"]["type"] for answer in answers if "error" in answer}

    assert {answer.get("object") for answer in answers} >= {
        "balance",
        "balance_transaction",
        "charge",
        "checkout.session",
        "dispute",
        "event",
        "list",
        "payment_intent",
        "payment_method",
        "payout",
        "refund",
    }
    assert errors == {"api_error", "card_error", "invalid_request_error"}
    assert {event["type"] for event in told[1]} >= {
        "charge.captured",
        "charge.dispute.closed",
        "charge.dispute.created",
        "charge.dispute.funds_reinstated",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.updated",
        "charge.refunded",
        "checkout.session.completed",
        "checkout.session.expired",
        "payment_intent.amount_capturable_updated",
        "payment_intent.canceled",
        "payment_intent.payment_failed",
        "payment_intent.succeeded",
        "payout.created",
        "payout.paid",
        "refund.created",
        "refund.failed",
        "refund.updated",
    }


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("refund", {"id": "re_1", "object": "refund", "created": 1, "currency": "eur"}),
        ("refund", {"id": "re_1", "object": "refund", "created": 1, "currency": "eur", "amount": "much"}),
        ("refund", {"id": "re_1", "object": "refund", "created": 1, "currency": "eur", "amount": 1, "colour": "red"}),
        ("dispute", {"object": "dispute", "status": "undecided"}),
    ],
)
def test_what_is_not_as_described_is_seen(kind: str, value: dict[str, object]) -> None:
    assert specification.complaints(specification.object_schema(kind), value)
