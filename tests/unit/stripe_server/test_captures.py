from typing import Any

import pytest
import stripe

from tests.unit.stripe_server.conftest import StandIn
from tests.unit.stripe_server.hooks import Shop, wait_for

DAY = 86_400


def promised(stand_in: StandIn, amount: int = 10_000, card: str = "pm_card_visa") -> Any:
    params = {"amount": amount, "currency": "eur", "payment_method": card, "confirm": True, "capture_method": "manual"}
    return stand_in.intents.create(params=params)


def test_what_a_card_promises_is_not_ours_yet(stand_in: StandIn, shop: Shop) -> None:
    intent = promised(stand_in)

    charge = stand_in.client.v1.charges.retrieve(intent.latest_charge)
    assert (intent.status, intent.amount_capturable, intent.amount_received) == ("requires_capture", 10_000, 0)
    assert (charge.captured, charge.amount_captured, charge.status) == (False, 0, "succeeded")
    assert stand_in.movements == []
    wait_for(lambda: shop.types == ["payment_intent.amount_capturable_updated"])


def test_what_was_promised_is_captured_in_full(stand_in: StandIn, shop: Shop) -> None:
    intent = promised(stand_in)

    captured = stand_in.intents.capture(intent.id, params={"metadata": {"parcel": "1"}})

    assert (captured.status, captured.amount_received, captured.amount_capturable) == ("succeeded", 10_000, 0)
    assert captured.metadata["parcel"] == "1"
    assert stand_in.movements == [("charge", 10_000, 165)]
    wait_for(lambda: {"charge.captured", "payment_intent.succeeded"} <= set(shop.types))


def test_a_part_is_captured_and_only_that_can_be_given_back(stand_in: StandIn) -> None:
    intent = promised(stand_in)

    captured = stand_in.intents.capture(intent.id, params={"amount_to_capture": 4_000})

    assert (captured.status, captured.amount_received) == ("succeeded", 4_000)
    assert stand_in.movements == [("charge", 4_000, 81)]
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded"):
        stand_in.refunds.create(params={"payment_intent": intent.id, "amount": 4_001})
    assert stand_in.refunds.create(params={"payment_intent": intent.id}).amount == 4_000


@pytest.mark.parametrize("amount", [0, 10_001])
def test_no_more_is_captured_than_was_promised(stand_in: StandIn, amount: int) -> None:
    intent = promised(stand_in)

    with pytest.raises(stripe.InvalidRequestError) as refused:
        stand_in.intents.capture(intent.id, params={"amount_to_capture": amount})

    assert refused.value.code == "amount_too_large"
    assert stand_in.intents.retrieve(intent.id).status == "requires_capture"


def test_what_was_captured_is_not_captured_again(stand_in: StandIn) -> None:
    intent = promised(stand_in)
    stand_in.intents.capture(intent.id)

    with pytest.raises(stripe.InvalidRequestError) as refused:
        stand_in.intents.capture(intent.id)

    assert refused.value.code == "payment_intent_unexpected_state"
    assert stand_in.movements == [("charge", 10_000, 165)]


def test_a_promise_is_released_by_cancelling(stand_in: StandIn) -> None:
    intent = promised(stand_in)

    cancelled = stand_in.intents.cancel(intent.id)

    assert (cancelled.status, cancelled.amount_capturable) == ("canceled", 0)
    with pytest.raises(stripe.InvalidRequestError):
        stand_in.intents.capture(intent.id)
    assert stand_in.movements == []


def test_a_promise_that_is_not_taken_within_a_week_is_released(stand_in: StandIn, shop: Shop) -> None:
    forgotten, taken = promised(stand_in), promised(stand_in)
    stand_in.intents.capture(taken.id)

    stand_in.advance(7 * DAY + 1)

    released = stand_in.intents.retrieve(forgotten.id)
    assert (released.status, released.cancellation_reason) == ("canceled", "automatic")
    assert stand_in.intents.retrieve(taken.id).status == "succeeded"
    wait_for(lambda: {"charge.expired", "payment_intent.canceled"} <= set(shop.types))


def test_a_promise_cannot_be_refunded_or_disputed(stand_in: StandIn) -> None:
    intent = promised(stand_in)

    with pytest.raises(stripe.InvalidRequestError):
        stand_in.refunds.create(params={"charge": intent.latest_charge})
    with pytest.raises(OSError, match="400"):
        stand_in.dispute(charge=intent.latest_charge)
