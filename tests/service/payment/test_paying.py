"""Paying an order, with either bank behind the service."""

import asyncio
from uuid import uuid4

import pytest

from services.contracts.events import OrderCancelled
from services.payment.clients.provider_double import Fault
from services.shared.identity import Role
from services.shared.sidecar_double import refused
from tests.service.payment.shop import PAYER, Order, Shop

pytestmark = pytest.mark.parametrize("bank", ["double", "stripe"], indirect=True)


async def test_a_good_card_pays_the_order_and_the_ledger_balances(shop: Shop) -> None:
    order = await shop.order()

    answer = await shop.pay(order)

    paid = answer.json()
    assert answer.status_code == 201, answer.text
    assert (paid["order_id"], paid["status"]) == (str(order.id), "succeeded")
    assert paid["amount"] == {"amount": "25.00", "currency": "EUR"}
    assert paid["refunded_amount"] == {"amount": "0.00", "currency": "EUR"}
    assert (paid["provider"], paid["provider_reference"][:3]) == ("stripe", "pi_")
    assert await shop.ledger() == {"stripe_clearing": 2500, "revenue": -2500}
    (fact,) = await shop.client.facts()
    assert (fact["type"], fact["version"], fact["data"]["captured_amount"]["amount"]) == (
        "payment.succeeded",
        1,
        "25.00",
    )


async def test_a_declined_card_is_told_with_its_code_and_another_attempt_may_follow(shop: Shop) -> None:
    order = await shop.order()

    declined = await shop.pay(order, "pm_card_chargeDeclinedInsufficientFunds")
    again = await shop.pay(order, key="k2")

    assert (declined.status_code, declined.json()["type"]) == (402, "payment-declined")
    assert declined.json()["decline_code"] == "insufficient_funds"
    assert again.status_code == 201
    assert again.json()["id"] == declined.json()["payment_id"]
    account = await shop.read(again.json()["id"])
    assert [(one["n"], one["status"], one["decline_code"]) for one in account["attempts"]] == [
        (1, "declined", "insufficient_funds"),
        (2, "succeeded", None),
    ]
    assert await shop.fact_types() == ["payment.declined", "payment.succeeded"]


@pytest.mark.parametrize(("method", "status"), [("pm_card_visa", 201), ("pm_card_chargeDeclined", 402)])
async def test_a_replay_gives_the_first_answer_and_charges_nothing(shop: Shop, method: str, status: int) -> None:
    order = await shop.order()
    first = await shop.pay(order, method)

    replay = await shop.pay(order, method)

    assert (first.status_code, replay.status_code) == (status, status)
    assert "Idempotent-Replayed" not in first.headers
    assert replay.headers["Idempotent-Replayed"] == "true"
    assert {**first.json(), "trace_id": ""} == {**replay.json(), "trace_id": ""}
    assert len(await shop.client.facts()) == 1


async def test_a_key_with_another_body_is_refused(shop: Shop) -> None:
    order = await shop.order()
    await shop.pay(order)

    other = await shop.pay(order, "pm_card_chargeDeclined")

    assert (other.status_code, other.json()["type"]) == (422, "idempotency-key-reused")


async def test_the_same_command_sent_at_once_many_times_is_one_charge(shop: Shop) -> None:
    order = await shop.order()

    answers = await asyncio.gather(*(shop.pay(order) for _ in range(5)))

    assert [answer.status_code for answer in answers] == [201] * 5
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    assert await shop.ledger() == {"stripe_clearing": 2500, "revenue": -2500}


async def test_different_commands_sent_at_once_are_one_charge(shop: Shop) -> None:
    order = await shop.order()

    answers = await asyncio.gather(*(shop.pay(order, key=f"k{n}") for n in range(5)))

    assert sorted(answer.status_code for answer in answers) == [201, 409, 409, 409, 409]
    assert {a.json()["type"] for a in answers if a.status_code == 409} <= {"payment-in-progress", "order-already-paid"}
    assert await shop.ledger() == {"stripe_clearing": 2500, "revenue": -2500}


@pytest.mark.parametrize(("passes", "status"), [(True, "succeeded"), (False, "failed")])
async def test_an_authentication_decides_the_attempt(shop: Shop, *, passes: bool, status: str) -> None:
    order = await shop.order()
    waiting = await shop.pay(order, "pm_card_authenticationRequired")

    await shop.bank.authenticate(waiting.json()["next_action"]["url"], passes=passes)
    await shop.work(seconds=61)

    assert (waiting.status_code, waiting.json()["status"]) == (202, "requires_action")
    assert waiting.json()["next_action"]["type"] == "redirect_to_url"
    account = await shop.read(waiting.json()["id"])
    assert (account["status"], account["next_action"]) == (status, None)
    replay = await shop.pay(order, "pm_card_authenticationRequired")
    assert replay.status_code == (201 if passes else 402)


async def test_an_attempt_that_waits_for_its_customer_gives_way_to_another_card(shop: Shop) -> None:
    order = await shop.order()
    waiting = await shop.pay(order, "pm_card_authenticationRequired")
    replayed = await shop.pay(order, "pm_card_authenticationRequired")

    other = await shop.pay(order, key="k2")

    assert (replayed.status_code, replayed.headers["Idempotent-Replayed"]) == (202, "true")
    assert replayed.json() == waiting.json()
    assert other.status_code == 201
    account = await shop.read(other.json()["id"])
    assert [one["status"] for one in account["attempts"]] == ["declined", "succeeded"]
    assert account["attempts"][0]["decline_code"] == "superseded"


@pytest.mark.parametrize("fault", [Fault.DROP_ANSWER, Fault.DROP_REQUEST])
@pytest.mark.parametrize(("method", "status"), [("pm_card_visa", 201), ("pm_card_chargeDeclined", 402)])
async def test_a_lost_confirmation_is_pending_and_then_found_out(
    shop: Shop, fault: Fault, method: str, status: int
) -> None:
    order = await shop.order()
    await shop.bank.go_wrong("confirm", fault)

    pending = await shop.pay(order, method)
    still = await shop.pay(order, method)
    busy = await shop.pay(order, key="k2")
    await shop.work()

    assert (pending.status_code, pending.json()["status"]) == (202, "pending")
    assert (still.status_code, still.headers["Idempotent-Replayed"]) == (202, "true")
    assert (busy.status_code, busy.json()["type"]) == (409, "payment-in-progress")
    assert (await shop.pay(order, method)).status_code == status
    assert (await shop.ledger()).get("stripe_clearing", 0) == (2500 if status == 201 else 0)


@pytest.mark.parametrize("fault", [Fault.DROP_ANSWER, Fault.DROP_REQUEST])
async def test_a_lost_creation_is_pending_and_then_found_out(shop: Shop, fault: Fault) -> None:
    order = await shop.order()
    await shop.bank.go_wrong("create", fault)

    pending = await shop.pay(order)
    await shop.work()

    assert (pending.status_code, pending.json()["provider_reference"]) == (202, None)
    assert (await shop.pay(order)).status_code == 201
    assert await shop.ledger() == {"stripe_clearing": 2500, "revenue": -2500}


@pytest.mark.parametrize("operation", ["create", "confirm"])
async def test_an_error_that_sticks_to_a_key_ends_the_attempt_and_the_next_one_pays(shop: Shop, operation: str) -> None:
    order = await shop.order()
    await shop.bank.go_wrong(operation, Fault.ERROR_500)

    pending = await shop.pay(order)
    for _ in range(4):
        await shop.work(seconds=20)
    given_up = await shop.pay(order)
    again = await shop.pay(order, key="k2")

    assert pending.status_code == 202
    assert (given_up.status_code, given_up.json()["decline_code"]) == (402, "processing_error")
    assert again.status_code == 201, again.text


@pytest.mark.parametrize(
    ("method", "status", "taken"),
    [
        ("pm_card_visa", "succeeded", 2500),
        ("pm_card_chargeDeclined", "declined", 0),
        ("pm_card_authenticationRequired", "requires_action", 0),
    ],
)
async def test_an_error_that_hides_what_a_confirmation_did_is_seen_through(
    shop: Shop, method: str, status: str, taken: int
) -> None:
    order = await shop.order()
    await shop.bank.go_wrong("confirm", Fault.ERROR_500_AFTER)

    pending = await shop.pay(order, method)
    for _ in range(4):
        await shop.work(seconds=20)

    account = await shop.read(pending.json()["id"])
    assert (pending.status_code, [one["status"] for one in account["attempts"]]) == (202, [status])
    assert (await shop.ledger()).get("stripe_clearing", 0) == taken


async def test_an_error_that_hides_an_intent_ends_the_attempt_and_the_next_one_is_charged_once(shop: Shop) -> None:
    order = await shop.order()
    await shop.bank.go_wrong("create", Fault.ERROR_500_AFTER)

    await shop.pay(order)
    for _ in range(4):
        await shop.work(seconds=20)
    given_up = await shop.pay(order)
    again = await shop.pay(order, key="k2")

    assert (given_up.status_code, given_up.json()["decline_code"]) == (402, "processing_error")
    assert again.status_code == 201, again.text
    assert await shop.ledger() == {"stripe_clearing": 2500, "revenue": -2500}


async def test_an_unknown_payment_method_is_refused_and_the_same_key_runs_again(shop: Shop) -> None:
    order = await shop.order()

    unknown = await shop.pay(order, "pm_nobodyknows")
    again = await shop.pay(order, "pm_card_visa")

    assert (unknown.status_code, unknown.json()["type"]) == (422, "invalid-payment-method")
    assert again.status_code == 201
    account = await shop.read(again.json()["id"])
    assert [(one["n"], one["status"]) for one in account["attempts"]] == [(2, "succeeded")]
    assert await shop.fact_types() == ["payment.succeeded"]


async def test_an_amount_that_the_provider_does_not_take_is_refused(shop: Shop) -> None:
    order = await shop.order(minor=1)

    answer = await shop.pay(order)

    assert (answer.status_code, answer.json()["type"]) == (422, "payment-refused")
    assert await shop.client.rows("SELECT * FROM attempt") == []


async def test_an_order_that_nothing_was_heard_of_is_asked_for(shop: Shop) -> None:
    order = Order()
    shop.knows(order)

    answer = await shop.pay(order)

    assert answer.status_code == 201


async def test_an_order_that_does_not_exist_is_not_found(shop: Shop) -> None:
    order = Order()
    shop.sidecar.reply("order", "GET", f"/internal/payables/{order.id}", refused(404, "order-not-found"))

    answer = await shop.pay(order)

    assert (answer.status_code, answer.json()["type"]) == (404, "order-not-found")


async def test_an_order_service_that_is_away_leaves_nothing_behind(shop: Shop) -> None:
    answer = await shop.pay(Order())

    assert (answer.status_code, answer.json()["type"]) == (503, "service-unavailable")
    assert await shop.client.rows("SELECT * FROM payable") == []


async def test_an_order_service_that_refuses_to_tell_leaves_nothing_behind(shop: Shop) -> None:
    order = Order()
    shop.sidecar.reply("order", "GET", f"/internal/payables/{order.id}", refused(403, "forbidden"))

    answer = await shop.pay(order)

    assert answer.status_code == 503


async def test_somebody_elses_order_is_not_found(shop: Shop) -> None:
    order = await shop.order()

    answer = await shop.pay(order, user_id=uuid4())

    assert answer.status_code == 404


@pytest.mark.parametrize("status", ["paid", "cancelled"])
async def test_an_order_that_is_not_pending_cannot_be_paid(shop: Shop, status: str) -> None:
    order = Order()
    shop.knows(order, status)

    answer = await shop.pay(order)

    assert (answer.status_code, answer.json()["type"]) == (409, "order-not-payable")


async def test_a_paid_order_cannot_be_paid_again(shop: Shop) -> None:
    order, _ = await shop.paid()

    answer = await shop.pay(order, key="k2")

    assert (answer.status_code, answer.json()["type"]) == (409, "order-already-paid")


async def test_a_cancelled_order_cannot_be_paid(shop: Shop) -> None:
    order = await shop.order()
    await shop.tell(order, OrderCancelled, 2)

    answer = await shop.pay(order)

    assert (answer.status_code, answer.json()["type"]) == (409, "order-not-payable")


@pytest.mark.parametrize(
    ("role", "user_id", "status"),
    [(Role.CUSTOMER, PAYER, 200), (Role.STAFF, uuid4(), 200), (Role.CUSTOMER, uuid4(), 404)],
)
async def test_a_payment_is_shown_to_its_customer_and_to_staff_only(
    shop: Shop, role: Role, user_id: object, status: int
) -> None:
    _, payment_id = await shop.paid()

    answer = await shop.client.get(f"/payments/{payment_id}", headers=shop.tokens.headers(role, user_id))  # type: ignore[arg-type]

    assert answer.status_code == status


async def test_a_payment_that_does_not_exist_is_not_found(shop: Shop) -> None:
    answer = await shop.client.get(f"/payments/{uuid4()}", headers=shop.tokens.headers())

    assert answer.status_code == 404
