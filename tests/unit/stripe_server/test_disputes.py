from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
import stripe

from tests.unit.stripe_server.conftest import StandIn, running
from tests.unit.stripe_server.hooks import Shop, wait_for


@pytest.fixture
def slow(tmp_path: Path, shop: Shop) -> Iterator[StandIn]:
    """A stand-in in which nothing happens by itself before a test is done with its own deeds."""
    with running(tmp_path, shop, change_after=600) as started:
        yield started


def test_a_disputed_charge_loses_its_money_and_a_fee_at_once(stand_in: StandIn, shop: Shop) -> None:
    paid = stand_in.paid(10_000)

    dispute = stand_in.dispute(payment_intent=paid.id)

    assert (dispute["amount"], dispute["status"], dispute["charge"]) == (10_000, "needs_response", paid.latest_charge)
    assert stand_in.movements == [("charge", 10_000, 165), ("adjustment", -10_000, 2_000)]
    assert dispute["balance_transactions"][0]["net"] == -12_000
    assert stand_in.client.v1.charges.retrieve(paid.latest_charge).disputed
    wait_for(lambda: {"charge.dispute.created", "charge.dispute.funds_withdrawn"} <= set(shop.types))


def test_what_is_won_comes_back_without_the_fee(stand_in: StandIn, shop: Shop) -> None:
    dispute = stand_in.dispute(payment_intent=stand_in.paid(10_000).id)

    closed = stand_in.decide(dispute, "won")

    assert closed["status"] == "won"
    assert [one["amount"] for one in closed["balance_transactions"]] == [-10_000, 10_000]
    assert stand_in.movements[-1] == ("adjustment", 10_000, 0)
    wait_for(lambda: {"charge.dispute.funds_reinstated", "charge.dispute.closed"} <= set(shop.types))


def test_what_is_lost_stays_lost(stand_in: StandIn, shop: Shop) -> None:
    dispute = stand_in.dispute(payment_intent=stand_in.paid(10_000).id, reason="product_not_received")

    closed = stand_in.decide(dispute, "lost")

    assert (closed["status"], closed["reason"]) == ("lost", "product_not_received")
    assert len(stand_in.movements) == 2
    wait_for(lambda: "charge.dispute.closed" in shop.types)
    assert "charge.dispute.funds_reinstated" not in shop.types


@pytest.mark.parametrize("outcome", [None, "lost"])
def test_a_disputed_charge_cannot_be_refunded(stand_in: StandIn, outcome: str | None) -> None:
    paid = stand_in.paid()
    dispute = stand_in.dispute(payment_intent=paid.id, amount=500)
    if outcome:
        stand_in.decide(dispute, outcome)

    with pytest.raises(stripe.InvalidRequestError) as refused:
        stand_in.refunds.create(params={"payment_intent": paid.id, "amount": 100})

    assert (refused.value.http_status, refused.value.code) == (400, "charge_disputed")


def test_a_charge_whose_dispute_was_won_can_be_refunded(stand_in: StandIn) -> None:
    paid = stand_in.paid(2_500)
    stand_in.decide(stand_in.dispute(payment_intent=paid.id), "won")

    assert stand_in.refunds.create(params={"payment_intent": paid.id}).amount == 2_500


def test_an_inquiry_takes_no_money_and_leaves_the_charge_refundable(stand_in: StandIn, shop: Shop) -> None:
    paid = stand_in.paid()

    inquiry = stand_in.dispute(charge=paid.latest_charge, inquiry=True)
    closed = stand_in.decide(inquiry, "won")

    assert (inquiry["status"], inquiry["is_charge_refundable"]) == ("warning_needs_response", True)
    assert closed["status"] == "warning_closed"
    assert len(stand_in.movements) == 1
    assert stand_in.refunds.create(params={"payment_intent": paid.id}).status == "succeeded"
    wait_for(lambda: "charge.dispute.closed" in shop.types)
    assert "charge.dispute.funds_withdrawn" not in shop.types


def test_no_more_is_disputed_than_the_shop_still_has(stand_in: StandIn) -> None:
    paid = stand_in.paid(2_500)
    stand_in.refunds.create(params={"payment_intent": paid.id, "amount": 1_000})

    with pytest.raises(HTTPError, match="400"):
        stand_in.dispute(payment_intent=paid.id, amount=1_501)
    first = stand_in.dispute(payment_intent=paid.id, amount=900)
    rest = stand_in.dispute(payment_intent=paid.id)

    assert (first["amount"], rest["amount"]) == (900, 600)
    with pytest.raises(HTTPError, match="400"):
        stand_in.dispute(payment_intent=paid.id)


@pytest.mark.parametrize("complaint", [{}, {"payment_intent": "pi_1", "charge": "ch_1"}, {"charge": "ch_unknown"}])
def test_a_dispute_is_about_one_charge_that_exists(stand_in: StandIn, complaint: dict[str, str]) -> None:
    with pytest.raises(HTTPError):
        stand_in.dispute(**complaint)


def test_a_dispute_is_closed_once(stand_in: StandIn) -> None:
    dispute = stand_in.dispute(payment_intent=stand_in.paid().id)
    stand_in.decide(dispute, "won")

    with pytest.raises(HTTPError, match="400"):
        stand_in.decide(dispute, "lost")

    assert stand_in.client.v1.disputes.retrieve(dispute["id"]).status == "won"


def test_disputes_are_listed_by_what_they_are_about(stand_in: StandIn) -> None:
    paid, other = stand_in.paid(), stand_in.paid()
    dispute = stand_in.dispute(payment_intent=paid.id)
    stand_in.dispute(payment_intent=other.id)

    by_intent = stand_in.client.v1.disputes.list(params={"payment_intent": paid.id})
    by_charge = stand_in.client.v1.disputes.list(params={"charge": str(paid.latest_charge)})

    assert [one.id for one in by_intent.data] == [one.id for one in by_charge.data] == [dispute["id"]]


@pytest.mark.parametrize(
    ("card", "reason", "status"),
    [
        ("pm_card_createDispute", "fraudulent", "needs_response"),
        ("pm_card_createDisputeProductNotReceived", "product_not_received", "needs_response"),
        ("pm_card_createDisputeInquiry", "fraudulent", "warning_needs_response"),
    ],
)
def test_some_cards_dispute_by_themselves(stand_in: StandIn, shop: Shop, card: str, reason: str, status: str) -> None:
    paid = stand_in.paid(card=card)

    wait_for(lambda: "charge.dispute.created" in shop.types)

    (dispute,) = stand_in.client.v1.disputes.list(params={"payment_intent": paid.id}).data
    assert (paid.status, dispute.reason, dispute.status) == ("succeeded", reason, status)


@pytest.mark.parametrize(("text", "outcome"), [("winning_evidence", "won"), ("losing_evidence", "lost")])
def test_evidence_that_is_submitted_decides(stand_in: StandIn, shop: Shop, text: str, outcome: str) -> None:
    dispute = stand_in.dispute(payment_intent=stand_in.paid().id)

    answered = stand_in.client.v1.disputes.update(
        dispute["id"], params={"evidence": {"uncategorized_text": text}, "metadata": {"case": "7"}}
    )

    assert (answered.status, answered.evidence_details.submission_count) == ("under_review", 1)
    wait_for(lambda: {"charge.dispute.updated", "charge.dispute.closed"} <= set(shop.types))
    assert stand_in.client.v1.disputes.retrieve(dispute["id"]).status == outcome


def test_evidence_can_be_kept_without_being_submitted(stand_in: StandIn) -> None:
    dispute = stand_in.dispute(payment_intent=stand_in.paid().id)

    draft = stand_in.client.v1.disputes.update(
        dispute["id"], params={"evidence": {"product_description": "A lamp"}, "submit": False}
    )

    assert (draft.status, draft.evidence_details.has_evidence) == ("needs_response", True)
    assert draft.evidence.product_description == "A lamp"


def test_evidence_that_persuades_nobody_stays_under_review_until_somebody_decides(stand_in: StandIn) -> None:
    dispute = stand_in.dispute(payment_intent=stand_in.paid().id)
    answer: Any = {"evidence": {"product_description": "A lamp"}, "submit": True}
    stand_in.client.v1.disputes.update(dispute["id"], params=answer)

    with pytest.raises(stripe.InvalidRequestError, match="under_review"):
        stand_in.client.v1.disputes.update(dispute["id"], params=answer)

    assert stand_in.decide(dispute, "lost")["status"] == "lost"


def test_a_dispute_that_was_decided_by_hand_is_not_decided_again(slow: StandIn, shop: Shop) -> None:
    dispute = slow.dispute(payment_intent=slow.paid().id)
    slow.client.v1.disputes.update(dispute["id"], params={"evidence": {"uncategorized_text": "winning_evidence"}})
    slow.decide(dispute, "lost")

    wait_for(lambda: "charge.dispute.closed" in shop.types)
    slow.advance(3_600)

    assert slow.client.v1.disputes.retrieve(dispute["id"]).status == "lost"


def test_metadata_alone_can_be_added_to_a_closed_dispute(stand_in: StandIn) -> None:
    dispute = stand_in.decide(stand_in.dispute(payment_intent=stand_in.paid().id), "lost")

    kept = stand_in.client.v1.disputes.update(dispute["id"], params={"metadata": {"case": "7"}})

    assert (kept.metadata["case"], kept.status) == ("7", "lost")


def test_a_shop_can_accept_that_it_has_lost(stand_in: StandIn) -> None:
    dispute = stand_in.dispute(payment_intent=stand_in.paid().id)

    assert stand_in.client.v1.disputes.close(dispute["id"]).status == "lost"


def test_a_card_that_disputes_does_not_when_it_has_its_money_back(slow: StandIn) -> None:
    paid = slow.paid(card="pm_card_createDispute")
    slow.refunds.create(params={"payment_intent": paid.id})

    slow.advance(3_600)

    assert slow.client.v1.disputes.list().data == []


def test_a_card_that_disputes_does_not_when_all_its_money_is_disputed_already(slow: StandIn) -> None:
    dispute = slow.dispute(payment_intent=slow.paid(card="pm_card_createDispute").id)

    slow.advance(3_600)

    assert [one.id for one in slow.client.v1.disputes.list().data] == [dispute["id"]]
