"""A process that dies between any two steps: whatever was begun is found out and ended, never guessed."""

import asyncio
from uuid import UUID

import pytest

from services.contracts.events import OrderCancelled, OrderShipped
from services.payment.app import spare_timers, timers
from services.payment.clients.provider_double import Fault, Gate
from services.payment.domain.intents import Intent, IntentStatus, RefundStatus
from services.payment.operations import recording, returning
from services.payment.operations.till import Till
from tests.conditions import eventually
from tests.service.payment.banks import DoubleBank
from tests.service.payment.shop import Shop

GATES = ["create", "create.answer", "confirm", "confirm.answer"]


@pytest.mark.parametrize("gate", GATES)
async def test_a_payment_interrupted_anywhere_is_one_charge_in_the_end(shop: Shop, gate: str) -> None:
    order = await shop.order()
    await shop.dying_at(gate, order)

    await shop.work(seconds=31)
    answer = await shop.pay(order)

    assert answer.status_code == 201, answer.text
    assert await shop.ledger() == {"stripe_clearing": 2500, "revenue": -2500}


async def test_a_payment_whose_request_died_is_told_as_pending_while_the_provider_is_away(
    shop: Shop, double: DoubleBank
) -> None:
    order = await shop.order()
    await shop.dying_at("confirm.answer", order)
    double.provider.go_wrong("retrieve", Fault.DROP_REQUEST)
    shop.be_impatient(wait_seconds=0.1)

    before = await shop.pay(order)
    await shop.work(seconds=31)
    after = await shop.pay(order)
    await shop.work()

    assert (before.status_code, before.json()["type"]) == (409, "request-in-progress")
    assert (after.status_code, after.headers["Idempotent-Replayed"]) == (202, "true")
    assert (await shop.pay(order)).status_code == 201


async def test_a_refund_whose_request_died_is_told_as_pending_and_owed_while_the_provider_is_away(
    shop: Shop, double: DoubleBank
) -> None:
    order, payment_id = await shop.paid()
    await shop.tell(order, OrderShipped, 3)
    await shop.dying_refund_at("refund", payment_id)
    double.provider.go_wrong("refund", Fault.DROP_REQUEST)
    shop.be_impatient(wait_seconds=0.1)

    before = await shop.refund(payment_id, "10.00")
    await shop.work(seconds=31)
    after = await shop.refund(payment_id, "10.00")
    owed = (await shop.read(payment_id))["owed_amount"]["amount"]
    await shop.work()

    assert (before.status_code, before.json()["type"]) == (409, "request-in-progress")
    assert (after.status_code, after.json()["status"], owed) == (201, "pending", "10.00")
    assert (await shop.refund(payment_id, "10.00")).json()["status"] == "succeeded"
    assert await shop.ledger() == {"stripe_clearing": 1500, "revenue": -1500}


async def test_refunds_do_not_wait_for_one_that_the_provider_does_not_answer(shop: Shop, double: DoubleBank) -> None:
    for key in ("k1", "k2"):
        order = await shop.order()
        await shop.pay(order, key=key)
        await shop.tell(order, OrderCancelled, 3)
    gate = double.provider.gates["refund"] = Gate()
    waiting = [asyncio.create_task(timer.run(shop.client.runtime)) for timer in [*timers, *spare_timers]]

    async def both_asked() -> bool:
        return double.provider.count("refund") == 2

    await eventually(both_asked, seconds=3)
    gate.open()
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


@pytest.mark.parametrize("gate", ["confirm", "confirm.answer"])
async def test_a_payment_interrupted_for_a_day_is_not_confirmed_again(
    shop: Shop, double: DoubleBank, gate: str
) -> None:
    order = await shop.order()
    await shop.dying_at(gate, order)
    double.provider.forget_keys()

    await shop.work(hours=24)
    answer = await shop.pay(order, key="k2")

    assert double.provider.count("confirm") == (2 if gate == "confirm" else 1)
    assert (answer.status_code, answer.json().get("type")) == (
        (201, None) if gate == "confirm" else (409, "order-already-paid")
    )
    assert await shop.ledger() == {"stripe_clearing": 2500, "revenue": -2500}


async def test_an_interrupted_attempt_that_the_provider_refuses_lets_its_key_run_again(
    shop: Shop, double: DoubleBank
) -> None:
    order = await shop.order()
    double.provider.gates["confirm"] = Gate()
    running = asyncio.create_task(shop.pay(order, "pm_nobodyknows"))
    await double.provider.gates["confirm"].reached.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    del double.provider.gates["confirm"]

    await shop.work(seconds=31)

    assert (await shop.pay(order)).status_code == 201


async def test_a_pending_attempt_that_the_provider_refuses_is_declined(shop: Shop, double: DoubleBank) -> None:
    order = await shop.order()
    double.provider.go_wrong("confirm", Fault.DROP_REQUEST)
    await shop.pay(order, "pm_nobodyknows")

    await shop.work()
    answer = await shop.pay(order, "pm_nobodyknows")

    assert (answer.status_code, answer.json()["decline_code"]) == (402, "resource_missing")
    assert await shop.fact_types() == ["payment.declined"]


async def test_a_provider_that_is_away_is_asked_again_with_growing_pauses(shop: Shop, double: DoubleBank) -> None:
    order = await shop.order()
    double.provider.go_wrong("confirm", Fault.DROP_REQUEST)
    double.provider.go_wrong("retrieve", Fault.DROP_REQUEST, times=5)
    await shop.pay(order)

    for _ in range(5):
        await shop.work(seconds=30)
    still = await shop.pay(order)
    await shop.work(seconds=60)

    assert still.status_code == 202
    assert (await shop.pay(order)).status_code == 201


async def test_an_answer_later_than_the_deadline_is_told_as_pending(shop: Shop, double: DoubleBank) -> None:
    order = await shop.order()
    shop.be_impatient(call_seconds=0.1)
    double.provider.gates["confirm.answer"] = Gate()

    answer = await shop.pay(order)
    del double.provider.gates["confirm.answer"]
    await shop.work()

    assert (answer.status_code, answer.json()["status"]) == (202, "pending")
    assert (await shop.pay(order)).status_code == 201
    assert double.provider.count("confirm") == 1


async def test_a_command_that_is_still_running_is_in_progress(shop: Shop, double: DoubleBank) -> None:
    order = await shop.order()
    shop.be_impatient(wait_seconds=0.1)
    running = await shop.paying_until("confirm", order)

    again = await shop.pay(order)
    double.provider.gates["confirm"].open()

    assert (again.status_code, again.json()["type"]) == (409, "request-in-progress")
    assert (await running).status_code == 201


async def test_a_command_repeated_while_its_intent_is_opened_waits_for_the_first(
    shop: Shop, double: DoubleBank
) -> None:
    order = await shop.order()
    first = await shop.paying_until("create", order)
    gate = double.provider.gates["create"]
    gate.reached.clear()
    second = asyncio.create_task(shop.pay(order))
    await gate.reached.wait()
    gate.open()

    answers = [await first, await second]

    assert [answer.status_code for answer in answers] in ([201, 201], [201, 409], [409, 201])
    assert await shop.ledger() == {"stripe_clearing": 2500, "revenue": -2500}


async def test_an_intent_that_the_bank_still_works_on_is_pending(shop: Shop, double: DoubleBank) -> None:
    order = await shop.order()
    running = await shop.paying_until("confirm.answer", order)
    (account,) = double.provider.accounts.values()
    charged, account.intent = account.intent, Intent(id=account.intent.id, status=IntentStatus.PROCESSING)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    del double.provider.gates["confirm.answer"]

    await shop.work(seconds=31)
    (attempt,) = await shop.client.rows("SELECT status FROM attempt")
    account.intent = charged
    await shop.work(seconds=31)

    assert attempt["status"] == "open"
    assert (await shop.pay(order)).status_code == 201


async def test_what_the_bank_refuses_after_it_has_worked_on_it_is_declined(shop: Shop, double: DoubleBank) -> None:
    order = await shop.order()
    await shop.dying_at("confirm", order)
    account = double.provider.accounts["pi_1"]
    works = Intent(id="pi_1", status=IntentStatus.PROCESSING)
    account.intent = Intent(id="pi_1", status=IntentStatus.REQUIRES_PAYMENT_METHOD, decline_code="insufficient_funds")
    double.provider.keep(f"confirm:{order.id}:1", works)

    await shop.work(seconds=31)
    declined = await shop.pay(order)

    assert (declined.status_code, declined.json()["decline_code"]) == (402, "insufficient_funds")


async def test_a_success_that_is_heard_of_first_is_answered_as_it_stands(shop: Shop, double: DoubleBank) -> None:
    order = await shop.order()
    running = await shop.paying_until("confirm.answer", order)

    await shop.work(seconds=31)
    double.provider.gates["confirm.answer"].open()

    assert (await running).status_code == 201
    assert await shop.fact_types() == ["payment.succeeded"]


async def test_an_authentication_that_wins_against_another_card_is_one_charge(shop: Shop, double: DoubleBank) -> None:
    order = await shop.order()
    waiting = await shop.pay(order, "pm_card_authenticationRequired")
    other = await shop.paying_until("confirm", order, key="k2")

    await double.authenticate(waiting.json()["next_action"]["url"], passes=True)
    double.provider.gates["confirm"].open()

    assert (await other).json()["status"] == "succeeded"
    assert await shop.ledger() == {"stripe_clearing": 2500, "revenue": -2500}


async def test_news_of_an_attempt_come_too_late_when_another_card_is_being_tried(
    shop: Shop, double: DoubleBank
) -> None:
    order = await shop.order()
    waiting = await shop.pay(order, "pm_card_authenticationRequired")
    await double.authenticate(waiting.json()["next_action"]["url"], passes=False)
    double.provider.gates["retrieve.answer"] = Gate()
    settling = asyncio.create_task(shop.work(seconds=61))
    await double.provider.gates["retrieve.answer"].reached.wait()
    other = await shop.paying_until("confirm", order, key="k2")

    double.provider.gates.pop("retrieve.answer").open()
    await settling
    double.provider.gates["confirm"].open()

    assert (await other).status_code == 201
    assert await shop.fact_types() == ["payment.action_required", "payment.succeeded"]


async def test_a_success_of_an_older_attempt_ends_the_one_that_is_open(shop: Shop, double: DoubleBank) -> None:
    order = await shop.order()
    waiting = await shop.pay(order, "pm_card_authenticationRequired")
    await double.authenticate(waiting.json()["next_action"]["url"], passes=True)
    double.provider.gates["retrieve.answer"] = Gate()
    settling = asyncio.create_task(shop.work(seconds=61))
    await double.provider.gates["retrieve.answer"].reached.wait()
    other = await shop.paying_until("confirm", order, key="k2")

    double.provider.gates.pop("retrieve.answer").open()
    await settling
    double.provider.gates["confirm"].open()

    assert ((await other).status_code, (await other).json()["type"]) == (409, "order-already-paid")
    assert (await shop.pay(order, "pm_card_authenticationRequired")).status_code == 201
    assert await shop.ledger() == {"stripe_clearing": 2500, "revenue": -2500}


async def test_a_refusal_of_an_open_attempt_leaves_the_success_of_an_older_one(shop: Shop, double: DoubleBank) -> None:
    order = await shop.order()
    waiting = await shop.pay(order, "pm_card_authenticationRequired")
    await double.authenticate(waiting.json()["next_action"]["url"], passes=True)
    double.provider.gates["retrieve.answer"] = Gate()
    settling = asyncio.create_task(shop.work(seconds=61))
    await double.provider.gates["retrieve.answer"].reached.wait()
    other = await shop.paying_until("confirm", order, key="k2")
    double.provider.gates.pop("retrieve.answer").open()
    await settling
    (still_open,) = await shop.client.rows("SELECT id FROM attempt WHERE status = 'open'")

    await recording.record_invalid(
        shop.client.runtime.part(Till), still_open["id"], "resource_missing", at=shop.clock.now
    )
    double.provider.gates["confirm"].open()
    answer = await other
    tried = await recording.record_invalid(
        shop.client.runtime.part(Till), still_open["id"], "resource_missing", at=shop.clock.now
    )

    assert (answer.status_code, answer.json()["type"]) == (409, "order-already-paid")
    assert (tried.attempt.status, tried.payment.status) == ("failed", "succeeded")


async def test_an_attempt_waits_for_its_customer_however_often_it_is_asked_about(
    shop: Shop, double: DoubleBank
) -> None:
    order = await shop.order()
    waiting = await shop.pay(order, "pm_card_authenticationRequired")

    for _ in range(3):
        await shop.work(hours=1)

    assert (await shop.read(waiting.json()["id"]))["status"] == "requires_action"
    assert double.provider.count("retrieve") == 3
    assert await shop.fact_types() == ["payment.action_required"]


async def test_a_refund_that_was_made_since_is_not_made_again(shop: Shop, double: DoubleBank) -> None:
    order, payment_id = await shop.paid()
    await shop.tell(order, OrderShipped, 3)
    made = (await shop.refund(payment_id, "10.00")).json()
    till = shop.client.runtime.part(Till)

    again = await returning.execute(till, UUID(made["id"]), at=shop.clock.now, deadline=till.deadline())
    await returning.record_refused(till, again.id, "too_late", at=shop.clock.now)

    assert again.provider_reference == made["provider_reference"]
    assert double.provider.count("refund") == 1
    assert (await shop.read(payment_id))["refunds"][0]["status"] == "succeeded"


@pytest.mark.parametrize("gate", ["refund", "refund.answer"])
@pytest.mark.parametrize("later", [{"seconds": 31}, {"hours": 24}])
async def test_a_refund_interrupted_anywhere_is_made_once(
    shop: Shop, double: DoubleBank, gate: str, later: dict[str, float]
) -> None:
    order, payment_id = await shop.paid()
    await shop.tell(order, OrderShipped, 3)
    await shop.dying_refund_at(gate, payment_id)
    if "hours" in later:
        double.provider.forget_keys()

    await shop.work(**later)
    answer = await shop.refund(payment_id, "10.00")

    assert (answer.status_code, answer.json()["status"]) == (201, "succeeded")
    assert [account.given_back for account in double.provider.accounts.values()] == [1000]
    assert await shop.ledger() == {"stripe_clearing": 1500, "revenue": -1500}


async def test_a_refund_that_is_still_running_is_in_progress(shop: Shop, double: DoubleBank) -> None:
    order, payment_id = await shop.paid()
    await shop.tell(order, OrderShipped, 3)
    shop.be_impatient(wait_seconds=0.1)
    running = await shop.refunding_until("refund", payment_id)

    again = await shop.refund(payment_id, "10.00")
    double.provider.gates["refund"].open()

    assert (again.status_code, again.json()["type"]) == (409, "request-in-progress")
    assert (await running).status_code == 201


async def test_a_refund_that_the_provider_does_not_answer_for_is_tried_again(shop: Shop, double: DoubleBank) -> None:
    order, payment_id = await shop.paid()
    await shop.tell(order, OrderShipped, 3)
    double.provider.go_wrong("refund", Fault.DROP_REQUEST, times=3)
    await shop.refund(payment_id, "10.00")

    for _ in range(3):
        await shop.work(seconds=30)

    assert (await shop.read(payment_id))["refunds"][0]["status"] == "succeeded"


async def test_a_refund_that_the_provider_has_taken_is_asked_about_when_no_event_comes(
    shop: Shop, double: DoubleBank
) -> None:
    order, payment_id = await shop.paid("pm_card_pendingRefund")
    await shop.tell(order, OrderShipped, 3)
    pending = await shop.refund(payment_id, "10.00")
    double.provider.change_refund(pending.json()["provider_reference"], RefundStatus.SUCCEEDED)

    await shop.work(hours=1)

    assert pending.json()["status"] == "pending"
    assert (await shop.read(payment_id))["refunds"][0]["status"] == "succeeded"


async def test_a_refund_that_the_provider_refuses_is_told_and_its_key_runs_again(
    shop: Shop, double: DoubleBank
) -> None:
    order, payment_id = await shop.paid()
    await shop.tell(order, OrderShipped, 3)
    (account,) = double.provider.accounts.values()
    account.given_back = 2500
    refused = await shop.refund(payment_id, "10.00")
    account.given_back = 0

    answer = await shop.refund(payment_id, "10.00")

    assert (refused.status_code, refused.json()["type"]) == (409, "refund-refused")
    assert answer.status_code == 201, answer.text
    assert await shop.fact_types() == ["payment.succeeded", "payment.refunded"]


async def test_a_promised_refund_that_the_provider_refuses_is_told_as_failed(shop: Shop, double: DoubleBank) -> None:
    order, payment_id = await shop.paid()
    await shop.tell(order, OrderShipped, 3)
    double.provider.go_wrong("refund", Fault.DROP_REQUEST)
    await shop.refund(payment_id, "10.00")
    (account,) = double.provider.accounts.values()
    account.given_back = 2500

    await shop.work()

    replay = await shop.refund(payment_id, "10.00")
    assert (replay.status_code, replay.json()["status"]) == (201, "failed")
    assert await shop.fact_types() == ["payment.succeeded", "payment.refund_failed"]
    assert await shop.ledger() == {"stripe_clearing": 2500, "revenue": -1500, "refunds_payable": -1000}
