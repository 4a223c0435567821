"""Disputes: heard of in any order, read from the provider, and refunds wait until they are decided."""

import itertools
import json
from typing import Any
from uuid import uuid4

import pytest

from services.contracts.events import OrderCancelled, OrderShipped
from services.payment.clients.provider_double import Fault
from services.payment.domain.intents import DisputeStatus
from services.shared.identity import Role
from tests.service.payment.banks import DoubleBank, StandIn
from tests.service.payment.shop import Shop

TAKEN = {"dispute_hold": 2500, "stripe_fees": 1500, "stripe_clearing": -1500, "revenue": -2500}
LOST = {"stripe_fees": 1500, "stripe_clearing": -1500}
WON = {"stripe_fees": 1500, "stripe_clearing": 1000, "revenue": -2500}


def told(kind: str, reference: str, **about: Any) -> bytes:
    whole = {"id": f"evt_{uuid4().hex}", "object": "event", "type": f"charge.dispute.{kind}"}
    return json.dumps(whole | {"data": {"object": {"id": reference, "object": "dispute"} | about}}).encode()


async def hear(shop: Shop, reference: str, *kinds: str) -> None:
    for kind in kinds or ("updated",):
        await shop.hear(told(kind, reference))
        await shop.work()


async def shipped(shop: Shop) -> tuple[str, str]:
    """A payment of an order that was shipped, and its intent."""
    order, payment_id = await shop.paid()
    await shop.tell(order, OrderShipped, 3)
    return payment_id, (await shop.read(payment_id))["provider_reference"]


async def test_a_disputed_payment_says_so_and_what_the_bank_took_is_held(shop: Shop, double: DoubleBank) -> None:
    payment_id, intent_id = await shipped(shop)
    reference = double.provider.dispute(intent_id)

    await hear(shop, reference, "created", "funds_withdrawn")

    account = await shop.read(payment_id)
    assert account["status"] == "disputed"
    (dispute,) = account["disputes"]
    assert (dispute["id"], dispute["status"], dispute["reason"]) == (reference, "open", "fraudulent")
    assert dispute["amount"]["amount"] == "25.00"
    assert await shop.ledger() == TAKEN
    fact = (await shop.client.facts())[-1]
    assert (fact["type"], fact["version"], fact["data"]["dispute_id"]) == ("payment.disputed", 2, reference)


@pytest.mark.parametrize(
    ("outcome", "ledger", "lost"), [(DisputeStatus.WON, WON, "0.00"), (DisputeStatus.LOST, LOST, "25.00")]
)
async def test_a_decided_dispute_brings_the_money_back_or_has_cost_it(
    shop: Shop, double: DoubleBank, outcome: DisputeStatus, ledger: dict[str, int], lost: str
) -> None:
    payment_id, intent_id = await shipped(shop)
    reference = double.provider.dispute(intent_id)
    await hear(shop, reference, "created")
    double.provider.close_dispute(reference, outcome)

    await hear(shop, reference, "funds_reinstated", "closed")

    account = await shop.read(payment_id)
    assert (account["status"], account["lost_amount"]["amount"]) == ("succeeded", lost)
    assert await shop.ledger() == ledger
    fact = (await shop.client.facts())[-1]
    assert (fact["type"], fact["data"]["outcome"]) == ("payment.dispute_closed", outcome)


@pytest.mark.parametrize("outcome", [DisputeStatus.WON, DisputeStatus.LOST])
async def test_a_dispute_that_is_heard_of_at_its_end_is_told_from_its_beginning(
    shop: Shop, double: DoubleBank, outcome: DisputeStatus
) -> None:
    _, intent_id = await shipped(shop)
    reference = double.provider.dispute(intent_id)
    double.provider.close_dispute(reference, outcome)

    await hear(shop, reference, "closed", "funds_withdrawn", "created", "closed")

    assert await shop.fact_types() == ["payment.succeeded", "payment.disputed", "payment.dispute_closed"]
    assert await shop.ledger() == (WON if outcome is DisputeStatus.WON else LOST)


@pytest.mark.parametrize("kinds", list(itertools.permutations(["created", "funds_withdrawn", "updated", "closed"])))
async def test_any_order_of_a_disputes_events_makes_one_ledger(
    shop: Shop, double: DoubleBank, kinds: tuple[str, ...]
) -> None:
    payment_id, intent_id = await shipped(shop)
    reference = double.provider.dispute(intent_id)
    await hear(shop, reference, kinds[0], kinds[0])
    double.provider.close_dispute(reference, DisputeStatus.LOST)

    await hear(shop, reference, *kinds, *kinds)

    assert await shop.ledger() == LOST
    assert (await shop.read(payment_id))["lost_amount"]["amount"] == "25.00"
    assert await shop.fact_types() == ["payment.succeeded", "payment.disputed", "payment.dispute_closed"]


async def test_a_reading_that_comes_late_does_not_open_a_decided_dispute(shop: Shop, double: DoubleBank) -> None:
    payment_id, intent_id = await shipped(shop)
    reference = double.provider.dispute(intent_id)
    old = double.provider.accounts[intent_id].disputes[reference]
    double.provider.close_dispute(reference, DisputeStatus.WON)
    await hear(shop, reference)

    double.provider.accounts[intent_id].disputes[reference] = old
    await hear(shop, reference)

    assert (await shop.read(payment_id))["disputes"][0]["status"] == "won"
    assert await shop.ledger() == WON


async def test_a_lost_dispute_is_won_by_an_appeal(shop: Shop, double: DoubleBank) -> None:
    payment_id, intent_id = await shipped(shop)
    reference = double.provider.dispute(intent_id)
    double.provider.close_dispute(reference, DisputeStatus.LOST)
    await hear(shop, reference)

    double.provider.close_dispute(reference, DisputeStatus.WON)
    await hear(shop, reference)

    account = await shop.read(payment_id)
    assert (account["disputes"][0]["status"], account["lost_amount"]["amount"]) == ("won", "0.00")
    assert await shop.ledger() == WON


async def test_the_money_of_a_cancelled_order_goes_back_once_its_lost_dispute_is_won_by_an_appeal(
    shop: Shop, double: DoubleBank
) -> None:
    payment_id, reference = await cancelled_under_dispute(shop, double)
    double.provider.close_dispute(reference, DisputeStatus.LOST)
    await hear(shop, reference)
    for _ in range(3):
        await shop.work(days=1)

    double.provider.close_dispute(reference, DisputeStatus.WON)
    await hear(shop, reference)
    await hear(shop, reference)

    account = await shop.read(payment_id)
    assert (account["status"], account["owed_amount"]["amount"]) == ("refunded", "0.00")
    assert double.provider.count("refund") == 1
    assert await shop.ledger() == {"stripe_fees": 1500, "stripe_clearing": -1500}


async def test_an_inquiry_takes_nothing_and_does_not_keep_refunds_waiting(shop: Shop, double: DoubleBank) -> None:
    payment_id, intent_id = await shipped(shop)
    reference = double.provider.dispute(intent_id, status=DisputeStatus.INQUIRY)
    await hear(shop, reference, "created")

    account = await shop.read(payment_id)
    refunded = await shop.refund(payment_id, "10.00")
    double.provider.close_dispute(reference, DisputeStatus.DROPPED)
    await hear(shop, reference, "closed")

    assert (account["status"], account["disputes"][0]["status"]) == ("succeeded", "inquiry")
    assert refunded.status_code == 201
    assert (await shop.read(payment_id))["disputes"][0]["status"] == "dropped"
    assert await shop.fact_types() == ["payment.succeeded", "payment.refunded"]


async def test_an_inquiry_that_becomes_a_dispute_is_told_then(shop: Shop, double: DoubleBank) -> None:
    payment_id, intent_id = await shipped(shop)
    reference = double.provider.dispute(intent_id, status=DisputeStatus.INQUIRY)
    await hear(shop, reference, "created")

    double.provider.withdraw(reference)
    await hear(shop, reference, "funds_withdrawn")

    assert (await shop.read(payment_id))["status"] == "disputed"
    assert await shop.ledger() == TAKEN


async def test_a_refund_that_staff_ask_for_while_a_dispute_is_open_is_refused_and_made_once_it_is_won(
    shop: Shop, double: DoubleBank
) -> None:
    payment_id, intent_id = await shipped(shop)
    reference = double.provider.dispute(intent_id)
    await hear(shop, reference)

    refused = await shop.refund(payment_id, "10.00")
    double.provider.close_dispute(reference, DisputeStatus.WON)
    await hear(shop, reference)
    answer = await shop.refund(payment_id, "10.00")

    assert (refused.status_code, refused.json()["type"]) == (409, "payment-under-dispute")
    assert answer.status_code == 201
    assert double.provider.count("refund") == 1


async def cancelled_under_dispute(shop: Shop, double: DoubleBank) -> tuple[str, str]:
    """A payment whose refund waits for a dispute, and the dispute."""
    order, payment_id = await shop.paid()
    reference = double.provider.dispute((await shop.read(payment_id))["provider_reference"])
    await hear(shop, reference)
    await shop.tell(order, OrderCancelled, 3)
    for _ in range(3):
        await shop.work(hours=1)
    assert double.provider.count("refund") == 0
    assert (await shop.read(payment_id))["owed_amount"]["amount"] == "25.00"
    return payment_id, reference


async def test_an_automatic_refund_waits_for_a_dispute_and_goes_on_when_it_is_won(
    shop: Shop, double: DoubleBank
) -> None:
    payment_id, reference = await cancelled_under_dispute(shop, double)

    double.provider.close_dispute(reference, DisputeStatus.WON)
    await hear(shop, reference)

    account = await shop.read(payment_id)
    assert (account["status"], account["owed_amount"]["amount"]) == ("refunded", "0.00")
    assert await shop.ledger() == {"stripe_fees": 1500, "stripe_clearing": -1500}


async def test_a_refund_that_waited_for_a_dispute_is_not_made_when_that_is_lost(shop: Shop, double: DoubleBank) -> None:
    payment_id, reference = await cancelled_under_dispute(shop, double)

    double.provider.close_dispute(reference, DisputeStatus.LOST)
    await hear(shop, reference)
    for _ in range(3):
        await shop.work(days=1)

    account = await shop.read(payment_id)
    assert (account["owed_amount"]["amount"], account["refunded_amount"]["amount"]) == ("0.00", "0.00")
    assert [refund["status"] for refund in account["refunds"]] == ["failed"]
    assert double.provider.count("refund") == 0
    assert await shop.ledger() == LOST


async def test_after_a_dispute_over_a_part_is_lost_no_more_than_the_rest_is_refunded(
    shop: Shop, double: DoubleBank
) -> None:
    payment_id, intent_id = await shipped(shop)
    reference = double.provider.dispute(intent_id, amount_minor=2000)
    double.provider.close_dispute(reference, DisputeStatus.LOST)
    await hear(shop, reference)

    too_much = await shop.refund(payment_id, "10.00")
    refused = await shop.refund(payment_id)

    assert (too_much.status_code, too_much.json()["type"]) == (409, "refund-exceeds-payment")
    assert (refused.status_code, refused.json()["type"]) == (409, "refund-refused")
    assert double.provider.calls[-1][0] == "refund"


async def test_a_refund_made_before_a_dispute_was_heard_of_is_found(shop: Shop, double: DoubleBank) -> None:
    payment_id, intent_id = await shipped(shop)
    double.provider.go_wrong("refund", Fault.DROP_ANSWER)
    await shop.refund(payment_id, "10.00")
    reference = double.provider.dispute(intent_id, amount_minor=1500)
    await shop.hear(told("created", reference))

    await shop.work()

    account = await shop.read(payment_id)
    assert (account["status"], account["refunded_amount"]["amount"]) == ("disputed", "10.00")


async def test_an_automatic_refund_that_is_refused_for_a_dispute_nobody_told_of_is_made_when_that_is_won(
    shop: Shop, double: DoubleBank
) -> None:
    order, payment_id = await shop.paid()
    reference = double.provider.dispute((await shop.read(payment_id))["provider_reference"])
    await shop.tell(order, OrderCancelled, 3)
    await shop.work()
    await hear(shop, reference)
    double.provider.close_dispute(reference, DisputeStatus.WON)
    await hear(shop, reference)

    await shop.work(minutes=2)
    await shop.work()

    account = await shop.read(payment_id)
    assert [refund["status"] for refund in account["refunds"]] == ["failed", "succeeded"]
    assert (account["status"], account["owed_amount"]["amount"]) == ("refunded", "0.00")


async def test_a_dispute_finds_a_success_that_was_taken_for_a_decline(shop: Shop, double: DoubleBank) -> None:
    order = await shop.order()
    declined = await shop.pay(order, "pm_card_chargeDeclined")
    (intent_id,) = double.provider.accounts
    await double.provider.confirm(intent_id, key="elsewhere", payment_method="pm_card_visa")

    await hear(shop, double.provider.dispute(intent_id))

    assert (await shop.read(declined.json()["payment_id"]))["status"] == "disputed"
    assert await shop.fact_types() == ["payment.declined", "payment.succeeded", "payment.disputed"]


async def test_a_dispute_of_a_payment_that_took_no_money_waits(shop: Shop, double: DoubleBank) -> None:
    order = await shop.order()
    await shop.pay(order, "pm_card_chargeDeclined")
    (intent_id,) = double.provider.accounts

    await hear(shop, double.provider.dispute(intent_id))

    (kept,) = await shop.client.rows("SELECT processed_at FROM webhook_event")
    assert kept["processed_at"] is None
    assert await shop.client.rows("SELECT * FROM dispute") == []


async def test_an_event_of_a_dispute_waits_while_the_provider_does_not_answer(shop: Shop, double: DoubleBank) -> None:
    payment_id, intent_id = await shipped(shop)
    double.provider.go_wrong("retrieve", Fault.DROP_REQUEST)
    await shop.hear(told("created", double.provider.dispute(intent_id)))

    await shop.work()
    unheard = await shop.read(payment_id)
    await shop.work()

    assert (unheard["status"], (await shop.read(payment_id))["status"]) == ("succeeded", "disputed")


async def test_a_dispute_that_the_provider_does_not_know_is_left_alone(shop: Shop) -> None:
    await hear(shop, "du_nobodyknows")

    assert await shop.client.rows("SELECT id FROM webhook_event WHERE processed_at IS NULL") == []


@pytest.mark.parametrize("intent_id", [None, "pi_elsewhere"])
async def test_a_dispute_of_somebody_elses_payment_is_left_alone(
    shop: Shop, double: DoubleBank, intent_id: str | None
) -> None:
    _, ours = await shipped(shop)
    reference = double.provider.dispute(ours)
    disputes = double.provider.accounts[ours].disputes
    disputes[reference] = disputes[reference].__class__(**vars(disputes[reference]) | {"intent_id": intent_id})

    await hear(shop, reference)

    assert await shop.client.rows("SELECT * FROM dispute") == []


@pytest.mark.parametrize("bank", ["stripe"], indirect=True)
@pytest.mark.parametrize("outcome", [DisputeStatus.WON, DisputeStatus.LOST])
async def test_a_dispute_is_told_by_signed_events(shop: Shop, stand_in: StandIn, outcome: DisputeStatus) -> None:
    payment_id, intent_id = await shipped(shop)
    reference = await stand_in.dispute(intent_id)
    for body, signature in stand_in.events_about(reference, "charge.dispute.funds_withdrawn"):
        assert (await shop.hear(body, signature)).status_code == 200
    await shop.work()
    disputed = await shop.read(payment_id)
    refused = await shop.refund(payment_id)
    await stand_in.close_dispute(reference, outcome)

    for body, signature in stand_in.events_about(reference, "charge.dispute.closed"):
        assert (await shop.hear(body, signature)).status_code == 200
    await shop.work()

    assert (disputed["status"], refused.status_code) == ("disputed", 409)
    assert (await shop.read(payment_id))["disputes"][0]["status"] == outcome
    assert await shop.fact_types() == ["payment.succeeded", "payment.disputed", "payment.dispute_closed"]
    held = await shop.ledger()
    assert "dispute_hold" not in held
    assert held["stripe_clearing"] == (2500 if outcome is DisputeStatus.WON else 0) - held["stripe_fees"]


async def test_staff_see_what_is_disputed(shop: Shop, double: DoubleBank) -> None:
    payment_id, intent_id = await shipped(shop)
    await hear(shop, double.provider.dispute(intent_id))

    account = await shop.read(payment_id, Role.STAFF, uuid4())

    assert account["status"] == "disputed"


async def test_a_replay_of_a_payment_that_was_disputed_since_says_so(shop: Shop, double: DoubleBank) -> None:
    order, payment_id = await shop.paid()
    await hear(shop, double.provider.dispute((await shop.read(payment_id))["provider_reference"]))

    replay = await shop.pay(order)

    assert (replay.status_code, replay.json()["status"]) == (201, "disputed")
