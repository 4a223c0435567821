"""How Stripe's balance transactions are read."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
import stripe

from services.payment.clients import stripe_movements
from services.payment.domain.reconciliation import Movement, MovementKind

ORDER = UUID("00000000-0000-4000-8000-000000000001")


def page(*told: dict[str, Any], has_more: bool = False) -> Any:
    usual = {"object": "balance_transaction", "amount": -100, "fee": 0, "currency": "eur", "created": 0, "source": None}
    data = [usual | {"id": f"txn_{n}", "reporting_category": one["type"]} | one for n, one in enumerate(told)]
    listed = {"object": "list", "data": data, "has_more": has_more, "url": "/v1/balance_transactions"}
    return stripe_movements.page_of(stripe.ListObject.construct_from(listed, "sk_test"))


def read(**told: Any) -> Movement:
    (movement,) = page(told).movements
    found: Movement = movement
    return found


@pytest.mark.parametrize(
    ("type_", "kind"),
    [
        ("charge", "charge"),
        ("payment", "charge"),
        ("refund", "refund"),
        ("payment_refund", "refund"),
        ("refund_failure", "refund_failure"),
        ("payment_failure_refund", "refund_failure"),
        ("payout", "payout"),
        ("payout_failure", "payout"),
        ("payout_cancel", "payout"),
        ("stripe_fee", "fee"),
        ("stripe_fx_fee", "fee"),
        ("adjustment", "other"),
        ("transfer", "other"),
    ],
)
def test_every_type_is_a_kind_of_ours(type_: str, kind: str) -> None:
    assert read(type=type_).kind is MovementKind(kind)


@pytest.mark.parametrize("category", ["dispute", "dispute_reversal"])
def test_an_adjustment_of_a_dispute_is_told_by_its_category(category: str) -> None:
    assert read(type="adjustment", reporting_category=category).kind is MovementKind.DISPUTE


def test_a_movement_tells_what_its_source_tells_of_ours() -> None:
    source = {"id": "ch_1", "object": "charge", "payment_intent": "pi_1", "metadata": {"order_id": str(ORDER)}}

    movement = read(type="charge", amount=2500, fee=60, created=1_760_000_000, source=source)

    assert movement == Movement(
        id="txn_0",
        kind=MovementKind.CHARGE,
        amount_minor=2500,
        fee_minor=60,
        currency="EUR",
        created_at=datetime.fromtimestamp(1_760_000_000, UTC),
        source="ch_1",
        intent_id="pi_1",
        order_id=ORDER,
    )


def test_an_intent_may_come_as_the_object_that_it_is() -> None:
    source = {"id": "ch_1", "object": "charge", "payment_intent": {"id": "pi_1", "object": "payment_intent"}}

    assert read(type="charge", source=source).intent_id == "pi_1"


def test_metadata_that_is_none_of_ours_is_left_out() -> None:
    source = {"id": "re_1", "object": "refund", "metadata": {"order_id": "12", "refund_id": "by hand"}}

    movement = read(type="refund", source=source)

    assert (movement.order_id, movement.refund_id) == (None, None)


def test_a_source_that_was_not_opened_is_its_id() -> None:
    assert (read(type="payout", source="po_1").source, read(type="stripe_fee").source) == ("po_1", None)


def test_a_page_leads_on_after_its_last_movement_while_there_are_more() -> None:
    assert page({"type": "payout"}, {"type": "payout"}, has_more=True).after == "txn_1"
    assert page({"type": "payout"}).after is None
