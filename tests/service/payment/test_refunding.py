"""Giving money back, with either bank behind the service."""

import asyncio
from uuid import uuid4

import pytest
from pydantic import BaseModel

from services.contracts.events import OrderCancelled, OrderPaid, OrderShipped
from services.payment.clients.provider_double import Fault
from services.shared.identity import Role
from services.shared.sidecar import SidecarAway
from services.shared.sidecar_double import refused
from tests.service.payment.shop import Order, Shop

pytestmark = pytest.mark.parametrize("bank", ["double", "stripe"], indirect=True)


class Cancelled(BaseModel):
    status: str = "cancelled"


async def shipped(shop: Shop, method: str = "pm_card_visa") -> tuple[Order, str]:
    order, payment_id = await shop.paid(method)
    await shop.tell(order, OrderShipped, 3)
    return order, payment_id


async def test_a_part_of_a_payment_is_refunded_and_the_rest_stays(shop: Shop) -> None:
    _, payment_id = await shipped(shop)

    answer = await shop.refund(payment_id, "10.00", reason="one was broken")

    refund = answer.json()
    assert answer.status_code == 201, answer.text
    assert (refund["payment_id"], refund["status"], refund["reason"]) == (payment_id, "succeeded", "one was broken")
    assert refund["provider_reference"].startswith("re_")
    account = await shop.read(payment_id)
    assert (account["status"], account["refunded_amount"]["amount"]) == ("partially_refunded", "10.00")
    assert account["refunds"] == [refund]
    assert await shop.ledger() == {"stripe_clearing": 1500, "revenue": -1500}
    fact = (await shop.client.facts())[-1]
    assert (fact["type"], fact["version"]) == ("payment.refunded", 2)
    assert fact["data"]["refunded_amount"]["amount"] == fact["data"]["refund_amount"]["amount"] == "10.00"


async def test_without_an_amount_all_that_is_left_is_refunded(shop: Shop) -> None:
    _, payment_id = await shipped(shop)
    await shop.refund(payment_id, "10.00")

    answer = await shop.refund(payment_id, key="r2")

    assert (answer.status_code, answer.json()["amount"]["amount"]) == (201, "15.00")
    assert (await shop.read(payment_id))["status"] == "refunded"


async def test_more_than_what_is_left_is_refused_and_the_key_runs_again(shop: Shop) -> None:
    _, payment_id = await shipped(shop)

    too_much = await shop.refund(payment_id, "25.01")
    again = await shop.refund(payment_id, "25.00")
    nothing_left = await shop.refund(payment_id, key="r2")

    assert (too_much.status_code, too_much.json()["type"]) == (409, "refund-exceeds-payment")
    assert again.status_code == 201
    assert (nothing_left.status_code, nothing_left.json()["type"]) == (409, "refund-exceeds-payment")


async def test_partial_refunds_at_once_never_exceed_the_capture(shop: Shop) -> None:
    _, payment_id = await shipped(shop)

    answers = await asyncio.gather(*(shop.refund(payment_id, "10.00", key=f"r{n}") for n in range(5)))

    assert sorted(answer.status_code for answer in answers) == [201, 201, 409, 409, 409]
    assert (await shop.read(payment_id))["refunded_amount"]["amount"] == "20.00"


async def test_the_same_refund_asked_for_at_once_is_one(shop: Shop) -> None:
    _, payment_id = await shipped(shop)

    answers = await asyncio.gather(*(shop.refund(payment_id, "10.00") for _ in range(4)))

    assert {answer.status_code for answer in answers} == {201}
    assert (await shop.read(payment_id))["refunded_amount"]["amount"] == "10.00"


async def test_a_replay_gives_the_same_refund(shop: Shop) -> None:
    _, payment_id = await shipped(shop)
    first = await shop.refund(payment_id, "10.00")

    replay = await shop.refund(payment_id, "10.00")
    other = await shop.refund(payment_id, "11.00")

    assert (replay.status_code, replay.headers["Idempotent-Replayed"]) == (201, "true")
    assert replay.json() == first.json()
    assert (other.status_code, other.json()["type"]) == (422, "idempotency-key-reused")


@pytest.mark.parametrize("fault", [Fault.DROP_ANSWER, Fault.DROP_REQUEST])
async def test_a_refund_whose_answer_was_lost_is_pending_and_happens_once(shop: Shop, fault: Fault) -> None:
    _, payment_id = await shipped(shop)
    await shop.bank.go_wrong("refund", fault)

    pending = await shop.refund(payment_id, "20.00")
    too_much = await shop.refund(payment_id, "10.00", key="r2")
    replay = await shop.refund(payment_id, "20.00")
    await shop.work()

    assert (pending.status_code, pending.json()["status"]) == (201, "pending")
    assert too_much.status_code == 409
    assert (replay.status_code, replay.headers["Idempotent-Replayed"]) == (201, "true")
    account = await shop.read(payment_id)
    assert (account["refunded_amount"]["amount"], account["refunds"][0]["status"]) == ("20.00", "succeeded")


async def test_all_the_money_of_an_order_that_was_not_shipped_goes_back_by_cancelling_it(shop: Shop) -> None:
    order, payment_id = await shop.paid()
    await shop.tell(order, OrderPaid, 2)
    shop.sidecar.reply("order", "DELETE", f"/orders/{order.id}", lambda _: Cancelled())

    answer = await shop.refund(payment_id)
    replay = await shop.refund(payment_id)
    await shop.tell(order, OrderCancelled, 3)
    await shop.work()

    assert (answer.status_code, answer.json()["reason"]) == (201, "order-cancelled")
    assert (replay.status_code, replay.json()) == (201, answer.json())
    assert [call.token is not None for call in shop.sidecar.calls] == [True]
    account = await shop.read(payment_id)
    assert (account["status"], len(account["refunds"])) == ("refunded", 1)
    assert await shop.ledger() == {}


async def test_an_order_that_ships_in_the_meantime_is_refunded_without_cancelling(shop: Shop) -> None:
    order, payment_id = await shop.paid()
    shop.sidecar.reply("order", "DELETE", f"/orders/{order.id}", refused(409, "order-cannot-move"))

    answer = await shop.refund(payment_id, "25.00", reason="goodwill")

    assert (answer.status_code, answer.json()["reason"]) == (201, "goodwill")
    assert (await shop.read(payment_id))["status"] == "refunded"


@pytest.mark.parametrize("gone", [SidecarAway(), refused(401, "token-expired")], ids=["away", "refuses"])
async def test_an_order_service_that_is_away_refunds_nothing_until_it_is_asked_again(
    shop: Shop, gone: Exception
) -> None:
    order, payment_id = await shop.paid()
    shop.sidecar.reply("order", "DELETE", f"/orders/{order.id}", gone)
    away = await shop.refund(payment_id)
    before = await shop.read(payment_id)
    shop.sidecar.reply("order", "DELETE", f"/orders/{order.id}", lambda _: Cancelled())

    answer = await shop.refund(payment_id)

    assert (away.status_code, before["refunds"]) == (503, [])
    assert answer.status_code == 201


async def test_a_part_of_an_order_that_was_not_shipped_does_not_cancel_it(shop: Shop) -> None:
    _, payment_id = await shop.paid()

    part = await shop.refund(payment_id, "5.00")
    rest = await shop.refund(payment_id, key="r2")

    assert (part.status_code, rest.status_code, rest.json()["amount"]["amount"]) == (201, 201, "20.00")
    assert shop.sidecar.calls == []


async def test_a_refund_is_in_the_payments_currency(shop: Shop) -> None:
    _, payment_id = await shop.paid()

    answer = await shop.refund(payment_id, "1.00", currency="USD")

    assert (answer.status_code, answer.json()["type"]) == (422, "currency-differs")


async def test_a_payment_that_was_declined_has_nothing_to_refund(shop: Shop) -> None:
    order = await shop.order()
    declined = await shop.pay(order, "pm_card_chargeDeclined")

    answer = await shop.refund(declined.json()["payment_id"])

    assert (answer.status_code, answer.json()["type"]) == (409, "refund-exceeds-payment")


async def test_only_staff_refund_and_only_what_exists(shop: Shop) -> None:
    _, payment_id = await shop.paid()

    forbidden = await shop.refund(payment_id, role=Role.CUSTOMER)
    unknown = await shop.refund(str(uuid4()))

    assert (forbidden.status_code, unknown.status_code) == (403, 404)


async def test_a_payment_of_a_cancelled_order_is_refunded_by_itself(shop: Shop) -> None:
    order, payment_id = await shop.paid()

    await shop.tell(order, OrderCancelled, 3)
    await shop.tell(order, OrderCancelled, 3)
    await shop.work()

    account = await shop.read(payment_id)
    assert (account["status"], len(account["refunds"]), account["refunds"][0]["reason"]) == (
        "refunded",
        1,
        "order-cancelled",
    )
    assert (await shop.fact_types()) == ["payment.succeeded", "payment.refunded"]
