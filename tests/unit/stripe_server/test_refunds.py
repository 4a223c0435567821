import pytest
import stripe

from tests.unit.stripe_server.conftest import StandIn
from tests.unit.stripe_server.hooks import Shop, wait_for


def test_refunds_never_add_up_to_more_than_was_captured(stand_in: StandIn) -> None:
    paid = stand_in.paid(2_500)
    stand_in.refunds.create(params={"payment_intent": paid.id, "amount": 1_000})

    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded amount"):
        stand_in.refunds.create(params={"payment_intent": paid.id, "amount": 1_501})
    rest = stand_in.refunds.create(params={"payment_intent": paid.id, "metadata": {"refund_id": "r-2"}})

    with pytest.raises(stripe.InvalidRequestError) as refused:
        stand_in.refunds.create(params={"payment_intent": paid.id, "amount": 1})
    assert (rest.amount, rest.metadata["refund_id"], rest.status) == (1_500, "r-2", "succeeded")
    assert refused.value.code == "charge_already_refunded"


def test_a_refund_is_told_with_the_charge_as_it_stands_then(stand_in: StandIn, shop: Shop) -> None:
    paid = stand_in.paid(2_500)

    refund = stand_in.refunds.create(params={"charge": paid.latest_charge, "amount": 500, "reason": "duplicate"})

    wait_for(lambda: {"refund.created", "charge.refunded"} <= set(shop.types))
    charge = next(event.data.object for event in shop.events if event.type == "charge.refunded")
    assert (charge.amount_refunded, charge.refunded, refund.reason) == (500, False, "duplicate")


def test_refunds_are_found_by_their_intent(stand_in: StandIn) -> None:
    paid, other = stand_in.paid(), stand_in.paid()
    refund = stand_in.refunds.create(params={"payment_intent": paid.id})
    stand_in.refunds.create(params={"payment_intent": other.id})

    found = stand_in.refunds.list(params={"payment_intent": paid.id}).data

    assert [one.id for one in found] == [refund.id]
    assert stand_in.refunds.retrieve(refund.id).charge == paid.latest_charge


def test_what_has_not_been_paid_cannot_be_refunded(stand_in: StandIn) -> None:
    unpaid = stand_in.intents.create(params={"amount": 2_500, "currency": "eur"})

    with pytest.raises(stripe.InvalidRequestError, match="does not have a successful charge"):
        stand_in.refunds.create(params={"payment_intent": unpaid.id})


def test_a_pending_refund_counts_at_once_and_settles_later(stand_in: StandIn, shop: Shop) -> None:
    paid = stand_in.paid(2_500, "pm_card_pendingRefund")

    refund = stand_in.refunds.create(params={"payment_intent": paid.id, "amount": 2_000})

    assert (refund.status, refund.pending_reason) == ("pending", "processing")
    with pytest.raises(stripe.InvalidRequestError):
        stand_in.refunds.create(params={"payment_intent": paid.id, "amount": 501})
    wait_for(lambda: "refund.updated" in shop.types)
    assert stand_in.refunds.retrieve(refund.id).status == "succeeded"


def test_a_refund_that_fails_later_makes_its_amount_refundable_again(stand_in: StandIn, shop: Shop) -> None:
    paid = stand_in.paid(2_500, "pm_card_refundFail")

    refund = stand_in.refunds.create(params={"payment_intent": paid.id})

    assert refund.status == "succeeded"
    wait_for(lambda: {"refund.failed", "refund.updated"} <= set(shop.types))
    failed = stand_in.refunds.retrieve(refund.id)
    charge = stand_in.client.v1.charges.retrieve(paid.latest_charge)
    assert (failed.status, failed.failure_reason) == ("failed", "expired_or_canceled_card")
    assert (charge.amount_refunded, charge.refunded) == (0, False)


def test_a_refund_of_less_than_nothing_is_refused(stand_in: StandIn) -> None:
    paid = stand_in.paid()

    with pytest.raises(stripe.InvalidRequestError) as refused:
        stand_in.refunds.create(params={"payment_intent": paid.id, "amount": -5})

    assert refused.value.code == "parameter_invalid_integer"


def test_every_movement_of_money_is_in_the_balance(stand_in: StandIn) -> None:
    paid = stand_in.paid(10_000)
    stand_in.refunds.create(params={"payment_intent": paid.id, "amount": 4_000})

    movements = stand_in.client.v1.balance_transactions.list().data

    assert [(one.type, one.amount, one.fee, one.net) for one in movements] == [
        ("refund", -4_000, 0, -4_000),
        ("charge", 10_000, 165, 9_835),
    ]
