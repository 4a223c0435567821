"""What the provider tells by itself: in any order, any number of times, one effect."""

import itertools
import json
import time
from typing import Any
from uuid import uuid4

import pytest
import stripe

from services.contracts.events import OrderShipped
from services.payment.clients.provider_double import Fault
from services.payment.domain.intents import ProviderRefund, RefundStatus
from tests.service.payment.banks import WEBHOOK_SECRET, DoubleBank, StandIn
from tests.service.payment.shop import Shop


def event(kind: str, object_id: str, *, of: str = "payment_intent", **about: Any) -> bytes:
    whole = {"id": f"evt_{uuid4().hex}", "object": "event", "type": kind}
    return json.dumps(whole | {"data": {"object": {"id": object_id, "object": of} | about}}).encode()


@pytest.mark.parametrize("bank", ["stripe"], indirect=True)
@pytest.mark.parametrize("passes", [True, False])
async def test_an_authentication_is_told_by_a_signed_event(shop: Shop, stand_in: StandIn, *, passes: bool) -> None:
    order = await shop.order()
    waiting = await shop.pay(order, "pm_card_authenticationRequired")
    await stand_in.authenticate(waiting.json()["next_action"]["url"], passes=passes)
    last = "payment_intent.succeeded" if passes else "payment_intent.payment_failed"

    for body, signature in stand_in.events_about(order.id, "payment_intent.requires_action", last):
        assert (await shop.hear(body, signature)).status_code == 200
    await shop.work()

    account = await shop.read(waiting.json()["id"])
    assert account["status"] == ("succeeded" if passes else "failed")


@pytest.mark.parametrize("bank", ["stripe"], indirect=True)
async def test_a_refund_that_the_provider_takes_its_time_for_is_told_by_a_signed_event(
    shop: Shop, stand_in: StandIn
) -> None:
    order, payment_id = await shop.paid("pm_card_pendingRefund")
    await shop.tell(order, OrderShipped, 3)
    pending = await shop.refund(payment_id, "10.00")

    intent_id = (await shop.read(payment_id))["provider_reference"]
    for body, signature in stand_in.events_about(intent_id, "refund.updated"):
        assert (await shop.hear(body, signature)).status_code == 200
    await shop.work()

    assert pending.json()["status"] == "pending"
    account = await shop.read(payment_id)
    assert (account["refunds"][0]["status"], account["refunded_amount"]["amount"]) == ("succeeded", "10.00")


@pytest.mark.parametrize("bank", ["stripe"], indirect=True)
async def test_a_refund_that_fails_later_reopens_the_debt(shop: Shop, stand_in: StandIn) -> None:
    order, payment_id = await shop.paid("pm_card_refundFail")
    await shop.tell(order, OrderShipped, 3)
    await shop.refund(payment_id, "10.00")

    intent_id = (await shop.read(payment_id))["provider_reference"]
    for body, signature in stand_in.events_about(intent_id, "refund.failed"):
        await shop.hear(body, signature)
    await shop.work()

    account = await shop.read(payment_id)
    assert (account["status"], account["refunded_amount"]["amount"]) == ("succeeded", "0.00")
    assert await shop.ledger() == {"stripe_clearing": 2500, "revenue": -1500, "refunds_payable": -1000}
    assert (await shop.fact_types())[-1] == "payment.refund_failed"


@pytest.mark.parametrize(
    "order_of_arrival", list(itertools.permutations(["requires_action", "payment_failed", "succeeded", "created"]))
)
async def test_any_order_and_any_number_of_events_make_one_ledger(
    shop: Shop, double: DoubleBank, order_of_arrival: tuple[str, ...]
) -> None:
    order = await shop.order()
    await shop.pay(order, "pm_card_chargeDeclined")
    waiting = await shop.pay(order, "pm_card_authenticationRequired", key="k2")
    intent_id = waiting.json()["provider_reference"]
    double.provider.authenticate(intent_id, passes=True)

    for kind in order_of_arrival:
        told = event(f"payment_intent.{kind}", intent_id)
        await shop.hear(told)
        await shop.hear(told)
        await shop.work()

    assert (await shop.read(waiting.json()["id"]))["status"] == "succeeded"
    assert await shop.ledger() == {"stripe_clearing": 2500, "revenue": -2500}
    assert await shop.fact_types() == ["payment.declined", "payment.action_required", "payment.succeeded"]


async def test_an_event_about_what_is_recorded_costs_no_question(shop: Shop, double: DoubleBank) -> None:
    _, payment_id = await shop.paid()
    intent_id = (await shop.read(payment_id))["provider_reference"]
    asked = len(double.provider.calls)

    await shop.hear(event("payment_intent.succeeded", intent_id))
    await shop.work()

    assert len(double.provider.calls) == asked
    (kept,) = await shop.client.rows("SELECT processed_at = received_at AS at_once FROM webhook_event")
    assert kept["at_once"]


async def test_an_event_finds_a_success_that_was_taken_for_a_decline(shop: Shop, double: DoubleBank) -> None:
    order = await shop.order()
    declined = await shop.pay(order, "pm_card_chargeDeclined")
    intent_id = next(iter(double.provider.accounts))
    await double.provider.confirm(intent_id, key="elsewhere", payment_method="pm_card_visa")

    await shop.hear(event("payment_intent.succeeded", intent_id))
    await shop.work()

    assert (await shop.read(declined.json()["payment_id"]))["status"] == "succeeded"
    assert await shop.fact_types() == ["payment.declined", "payment.succeeded"]


async def test_a_lying_event_changes_nothing_because_the_provider_is_asked(shop: Shop) -> None:
    order = await shop.order()
    declined = await shop.pay(order, "pm_card_chargeDeclined")
    account = await shop.read(declined.json()["payment_id"])

    await shop.hear(event("payment_intent.succeeded", account["provider_reference"]))
    await shop.work()

    assert (await shop.read(account["id"]))["status"] == "failed"


async def test_an_event_waits_while_the_provider_does_not_answer(shop: Shop, double: DoubleBank) -> None:
    order = await shop.order()
    waiting = await shop.pay(order, "pm_card_authenticationRequired")
    intent_id = waiting.json()["provider_reference"]
    double.provider.authenticate(intent_id, passes=True)
    double.provider.go_wrong("retrieve", Fault.DROP_REQUEST)
    await shop.hear(event("payment_intent.succeeded", intent_id))

    await shop.work()
    unheard = await shop.read(waiting.json()["id"])
    await shop.work()

    assert unheard["status"] == "requires_action"
    assert (await shop.read(waiting.json()["id"]))["status"] == "succeeded"


async def test_a_refund_that_came_back_late_counts_once(shop: Shop, double: DoubleBank) -> None:
    order, payment_id = await shop.paid("pm_card_pendingRefund")
    await shop.tell(order, OrderShipped, 3)
    refund = (await shop.refund(payment_id, "10.00")).json()
    reference = refund["provider_reference"]

    for status in (RefundStatus.FAILED, RefundStatus.SUCCEEDED, RefundStatus.PENDING):
        double.provider.change_refund(reference, status)
        await shop.hear(event("refund.updated", reference, of="refund", status=status))
        await shop.work()

    account = await shop.read(payment_id)
    assert (account["refunds"][0]["status"], account["refunded_amount"]["amount"]) == ("failed", "0.00")
    assert await shop.fact_types() == ["payment.succeeded", "payment.refund_failed"]


async def test_a_refund_that_succeeded_is_not_pending_again(shop: Shop, double: DoubleBank) -> None:
    order, payment_id = await shop.paid()
    await shop.tell(order, OrderShipped, 3)
    reference = (await shop.refund(payment_id, "10.00")).json()["provider_reference"]
    double.provider.change_refund(reference, RefundStatus.PENDING)

    await shop.hear(event("refund.updated", reference, of="refund", status="pending"))
    await shop.work()

    assert (await shop.read(payment_id))["refunds"][0]["status"] == "succeeded"


async def test_a_refund_heard_of_before_its_answer_is_found_by_our_id(shop: Shop, double: DoubleBank) -> None:
    order, payment_id = await shop.paid()
    await shop.tell(order, OrderShipped, 3)
    double.provider.go_wrong("refund", Fault.DROP_ANSWER, times=2)
    refund = (await shop.refund(payment_id, "10.00")).json()
    (made,) = next(iter(double.provider.accounts.values())).refunds.values()

    await shop.hear(
        event("refund.created", made.id, of="refund", status="succeeded", metadata={"refund_id": refund["id"]})
    )
    await shop.work()

    assert (await shop.read(payment_id))["refunds"][0]["provider_reference"] == made.id


@pytest.mark.parametrize("metadata", [{}, {"refund_id": "not ours"}])
async def test_a_refund_that_is_not_ours_is_left_alone(shop: Shop, metadata: dict[str, str]) -> None:
    await shop.hear(event("refund.created", "re_x", of="refund", status="succeeded", metadata=metadata))

    await shop.work()

    assert await shop.client.rows("SELECT id FROM webhook_event WHERE processed_at IS NULL") == []


async def test_a_refund_that_the_provider_does_not_know_is_left_alone(shop: Shop) -> None:
    order, payment_id = await shop.paid()
    await shop.tell(order, OrderShipped, 3)
    refund = (await shop.refund(payment_id, "10.00")).json()

    await shop.hear(event("refund.failed", "re_x", of="refund", status="failed", metadata={"refund_id": refund["id"]}))
    await shop.work()

    assert (await shop.read(payment_id))["refunds"][0]["status"] == "succeeded"


async def test_another_refund_of_the_providers_that_bears_our_id_does_not_fail_ours(
    shop: Shop, double: DoubleBank
) -> None:
    order, payment_id = await shop.paid()
    await shop.tell(order, OrderShipped, 3)
    refund = (await shop.refund(payment_id, "10.00")).json()
    (account,) = double.provider.accounts.values()
    account.refunds["other"] = ProviderRefund(id="re_other", status=RefundStatus.FAILED)

    about = {"status": "failed", "metadata": {"refund_id": refund["id"]}}
    await shop.hear(event("refund.failed", "re_other", of="refund", **about))
    await shop.work()

    found = await shop.read(payment_id)
    assert (found["refunds"][0]["status"], found["refunded_amount"]["amount"]) == ("succeeded", "10.00")
    assert await shop.fact_types() == ["payment.succeeded", "payment.refunded"]


async def test_nothing_of_an_event_that_tells_who_the_customer_is_is_kept(shop: Shop) -> None:
    billing = {"billing_details": {"email": "ada@example.com"}, "receipt_email": "ada@example.com"}

    await shop.hear(event("charge.succeeded", "ch_1", of="charge", **billing))

    (kept,) = await shop.client.rows("SELECT to_jsonb(webhook_event)::text AS row FROM webhook_event")
    assert "ada" not in kept["row"]


async def test_events_that_were_done_with_are_forgotten_after_a_month(shop: Shop, double: DoubleBank) -> None:
    await shop.hear(event("balance.available", "", of="balance"))
    await shop.hear(event("charge.dispute.created", "du_unheard", of="dispute"))
    double.provider.go_wrong("retrieve", Fault.DROP_REQUEST, times=1000)

    await shop.work(days=29)
    after_29_days = await shop.client.rows("SELECT type FROM webhook_event ORDER BY type")
    await shop.work(days=2)

    assert [kept["type"] for kept in after_29_days] == ["balance.available", "charge.dispute.created"]
    assert await shop.client.rows("SELECT type FROM webhook_event") == [{"type": "charge.dispute.created"}]


async def test_an_event_about_something_else_is_kept_and_done_with(shop: Shop) -> None:
    answer = await shop.hear(event("balance.available", "", of="balance"))

    (kept,) = await shop.client.rows("SELECT type, processed_at FROM webhook_event")
    assert (answer.status_code, answer.json()) == (200, {"received": True})
    assert (kept["type"], kept["processed_at"] is not None) == ("balance.available", True)


def signature(body: bytes, *, secret: str = WEBHOOK_SECRET, age: int = 0) -> str:
    at = int(time.time()) - age
    return str(stripe.WebhookSignature.generate_signature_header(body.decode(), secret, at))


async def test_one_good_signature_of_several_is_enough_while_a_secret_is_replaced(shop: Shop) -> None:
    body = event("charge.succeeded", "ch_1", of="charge")
    old, new = signature(body, secret="whsec_old"), signature(body)

    answer = await shop.hear(body, f"{old},{new.split(',')[1]}")

    assert answer.status_code == 200


@pytest.mark.parametrize(
    "signed",
    ["", "nonsense", "t=1", signature(b"{}"), signature(event("a", "b")), "t=x,v1=y", "t=1,v1=\xe9"],
    ids=["none", "nonsense", "no signature", "another body", "another event", "no time", "no hexadecimal"],
)
async def test_a_forged_signature_is_refused_and_nothing_is_kept(shop: Shop, signed: str) -> None:
    answer = await shop.client.post(
        "/webhooks/stripe",
        content=event("payment_intent.succeeded", "pi_1"),
        headers={b"Stripe-Signature": signed.encode("latin-1")},
    )

    assert (answer.status_code, answer.json()["type"]) == (400, "bad-signature")
    assert await shop.client.rows("SELECT * FROM webhook_event") == []


async def test_a_stale_signature_and_another_secret_are_refused(shop: Shop) -> None:
    body = event("payment_intent.succeeded", "pi_1")

    stale = await shop.hear(body, signature(body, age=301))
    other = await shop.hear(body, signature(body, secret="whsec_other"))
    binary = await shop.client.post("/webhooks/stripe", content=b"\xff", headers={"Stripe-Signature": "t=1,v1=a"})
    unsigned = await shop.client.post("/webhooks/stripe", content=body)

    assert [answer.status_code for answer in (stale, other, binary, unsigned)] == [400] * 4


async def test_a_signed_body_that_is_no_event_is_malformed(shop: Shop) -> None:
    answer = await shop.hear(b'{"hello": "world"}')

    assert (answer.status_code, answer.json()["type"]) == (400, "malformed")
