"""What is owed to customers: shown, paid again under another identity, and zero in the end."""

import asyncio
from typing import Any

from services.contracts.events import OrderCancelled, OrderRefunded, OrderShipped
from services.payment.clients.provider_double import Fault, Gate
from services.payment.domain.intents import RefundStatus
from services.payment.domain.refunds import MOST_TRIES
from tests.service.payment.banks import DoubleBank
from tests.service.payment.shop import Shop
from tests.service.payment.test_hearing import event

UNREFUNDED = {"stripe_clearing": 2500, "revenue": -2500}


async def shipped(shop: Shop, method: str = "pm_card_visa") -> str:
    order, payment_id = await shop.paid(method)
    await shop.tell(order, OrderShipped, 3)
    return payment_id


async def fail(shop: Shop, double: DoubleBank, refund: dict[str, Any]) -> None:
    """The provider tells that a refund has failed, and has the money back."""
    double.provider.change_refund(refund["provider_reference"], RefundStatus.FAILED)
    await shop.hear(event("refund.failed", refund["provider_reference"], of="refund", status="failed"))
    await shop.work()


async def owed(shop: Shop, payment_id: str) -> str:
    amount: str = (await shop.read(payment_id))["owed_amount"]["amount"]
    return amount


async def test_a_refund_under_way_is_owed_until_it_has_gone_through(shop: Shop, double: DoubleBank) -> None:
    payment_id = await shipped(shop, "pm_card_pendingRefund")
    refund = (await shop.refund(payment_id, "10.00")).json()
    pending, ledger = await owed(shop, payment_id), await shop.ledger()

    double.provider.change_refund(refund["provider_reference"], RefundStatus.SUCCEEDED)
    await shop.work(hours=1)

    assert (pending, await owed(shop, payment_id)) == ("10.00", "0.00")
    assert ledger == {"stripe_clearing": 2500, "revenue": -1500, "refunds_payable": -1000}
    assert await shop.ledger() == {"stripe_clearing": 1500, "revenue": -1500}


async def test_a_debt_that_staff_refund_again_is_zero_in_the_ledger(shop: Shop, double: DoubleBank) -> None:
    payment_id = await shipped(shop)
    await fail(shop, double, (await shop.refund(payment_id, "10.00")).json())
    open_debt = await owed(shop, payment_id)
    await shop.work(days=2)

    again = await shop.refund(payment_id, "10.00", key="r2")

    assert (open_debt, again.status_code, await owed(shop, payment_id)) == ("10.00", 201, "0.00")
    assert double.provider.count("refund") == 2
    assert await shop.ledger() == {"stripe_clearing": 1500, "revenue": -1500}


async def test_a_larger_refund_pays_the_debt_first(shop: Shop, double: DoubleBank) -> None:
    payment_id = await shipped(shop)
    await fail(shop, double, (await shop.refund(payment_id, "10.00")).json())

    await shop.refund(payment_id, "15.00", key="r2")

    assert await owed(shop, payment_id) == "0.00"
    assert await shop.ledger() == {"stripe_clearing": 1000, "revenue": -1000}


async def test_a_smaller_refund_leaves_the_rest_of_the_debt(shop: Shop, double: DoubleBank) -> None:
    payment_id = await shipped(shop)
    await fail(shop, double, (await shop.refund(payment_id, "10.00")).json())

    await shop.refund(payment_id, "4.00", key="r2")

    assert await owed(shop, payment_id) == "6.00"
    assert await shop.ledger() == {"stripe_clearing": 2100, "revenue": -1500, "refunds_payable": -600}


async def test_an_automatic_refund_that_fails_is_made_again_under_another_identity(
    shop: Shop, double: DoubleBank
) -> None:
    order, payment_id = await shop.paid()
    await shop.tell(order, OrderCancelled, 3)
    await shop.work()
    (first,) = (await shop.read(payment_id))["refunds"]
    await fail(shop, double, first)
    failed = await owed(shop, payment_id)

    await shop.work(minutes=1)
    await shop.work()

    account = await shop.read(payment_id)
    assert (failed, account["status"], account["owed_amount"]["amount"]) == ("25.00", "refunded", "0.00")
    assert [refund["status"] for refund in account["refunds"]] == ["failed", "succeeded"]
    assert len({key for name, key in double.provider.calls if name == "refund"}) == 2
    assert await shop.ledger() == {}


async def test_the_same_failure_told_again_makes_no_other_refund(shop: Shop, double: DoubleBank) -> None:
    order, payment_id = await shop.paid()
    await shop.tell(order, OrderCancelled, 3)
    await shop.work()
    (first,) = (await shop.read(payment_id))["refunds"]

    for _ in range(3):
        await fail(shop, double, first)
        await shop.work(days=1)

    assert len((await shop.read(payment_id))["refunds"]) == 2
    assert double.provider.count("refund") == 2


async def test_a_debt_rests_longer_after_every_failure_and_is_left_to_people_in_the_end(
    shop: Shop, double: DoubleBank
) -> None:
    order, payment_id = await shop.paid()
    (account,) = double.provider.accounts.values()
    account.given_back = 2500
    await shop.tell(order, OrderCancelled, 3)

    tried = []
    for _ in range(MOST_TRIES + 2):
        await shop.work()
        await shop.work(days=1)
        tried.append(double.provider.count("refund"))

    assert tried[-1] == tried[-2] == 1 + MOST_TRIES
    assert await owed(shop, payment_id) == "25.00"
    assert await shop.ledger() == {"stripe_clearing": 2500, "refunds_payable": -2500}
    account.given_back = 0
    assert (await shop.refund(payment_id)).status_code == 201
    assert await shop.ledger() == {}


async def test_the_first_pauses_of_a_debt_grow(shop: Shop, double: DoubleBank) -> None:
    order, _ = await shop.paid()
    (account,) = double.provider.accounts.values()
    account.given_back = 2500
    await shop.tell(order, OrderCancelled, 3)
    await shop.work()

    counts = []
    for minutes in (1, 3, 1, 15, 1):
        await shop.work(minutes=minutes)
        await shop.work()
        counts.append(double.provider.count("refund"))

    assert counts == [2, 2, 3, 3, 4]


async def test_a_refund_of_staff_that_fails_after_the_order_was_cancelled_is_made_again_by_itself(
    shop: Shop, double: DoubleBank
) -> None:
    order, payment_id = await shop.paid()
    part = (await shop.refund(payment_id, "10.00")).json()
    await shop.tell(order, OrderCancelled, 3)
    await shop.work()
    refunded = (await shop.read(payment_id))["status"]

    await fail(shop, double, part)
    await shop.work(minutes=1)
    await shop.work()

    assert refunded == "refunded"
    assert (await shop.read(payment_id))["status"] == "refunded"
    assert await shop.ledger() == {}


async def test_a_refund_of_staff_that_is_refused_while_the_order_is_cancelled_goes_back_by_itself(
    shop: Shop, double: DoubleBank
) -> None:
    order, payment_id = await shop.paid()
    (account,) = double.provider.accounts.values()
    account.given_back = 2000
    running = await shop.refunding_until("refund", payment_id)
    await shop.tell(order, OrderCancelled, 3)
    double.provider.gates.pop("refund").open()

    refused = await running
    account.given_back = 0
    await shop.work(minutes=1)
    await shop.work(minutes=1)

    assert (refused.status_code, refused.json()["type"]) == (409, "refund-refused")
    assert (await shop.read(payment_id))["status"] == "refunded"
    assert await shop.ledger() == {}


async def test_a_debt_that_staff_are_just_paying_is_not_paid_twice(shop: Shop, double: DoubleBank) -> None:
    order, payment_id = await shop.paid()
    await shop.tell(order, OrderCancelled, 3)
    await shop.work()
    (first,) = (await shop.read(payment_id))["refunds"]
    await fail(shop, double, first)
    running = await shop.refunding_until("refund", payment_id)

    await shop.client.rows("UPDATE payment SET debt_due_at = now() - interval '1 day'")
    gate = double.provider.gates.pop("refund")
    await shop.work()
    gate.open()
    await running
    await shop.work()

    account = await shop.read(payment_id)
    assert sorted(refund["amount"]["amount"] for refund in account["refunds"]) == ["10.00", "15.00", "25.00"]
    assert account["status"] == "refunded"
    assert await shop.ledger() == {}


async def test_an_error_that_sticks_to_a_refunds_key_is_got_around_by_another_refund(
    shop: Shop, double: DoubleBank
) -> None:
    order, payment_id = await shop.paid()
    double.provider.go_wrong("refund", Fault.ERROR_500)
    await shop.tell(order, OrderCancelled, 3)

    for _ in range(9):
        await shop.work(minutes=1)

    account = await shop.read(payment_id)
    assert [refund["status"] for refund in account["refunds"]] == ["failed", "succeeded"]
    assert await shop.ledger() == {}


async def test_errors_of_less_than_a_minute_are_no_refusal(shop: Shop, double: DoubleBank) -> None:
    order, payment_id = await shop.paid()
    double.provider.go_wrong("refund", Fault.ERROR_500)
    await shop.tell(order, OrderCancelled, 3)

    for _ in range(58):
        await shop.work(seconds=1)
    within = (await shop.read(payment_id))["refunds"]
    for _ in range(20):
        await shop.work(seconds=1)

    assert [refund["status"] for refund in within] == ["pending"]
    assert [refund["status"] for refund in (await shop.read(payment_id))["refunds"]] == ["failed"]


async def test_an_error_that_hides_a_refund_which_was_made_is_seen_through(shop: Shop, double: DoubleBank) -> None:
    order, payment_id = await shop.paid()
    running = await shop.refunding_until("refund.answer", payment_id)
    double.provider.gates.pop("refund.answer")
    running.cancel()
    key = next(key for name, key in double.provider.calls if name == "refund")
    double.provider.stick(key)

    await shop.tell(order, OrderShipped, 3)
    for _ in range(6):
        await shop.work(minutes=1)

    account = await shop.read(payment_id)
    assert [(refund["status"], refund["amount"]["amount"]) for refund in account["refunds"]] == [("succeeded", "10.00")]
    (bank,) = double.provider.accounts.values()
    assert bank.given_back == 1000


async def test_a_refund_that_was_refused_and_is_asked_for_again_has_a_key_of_its_own(
    shop: Shop, double: DoubleBank
) -> None:
    payment_id = await shipped(shop)
    (account,) = double.provider.accounts.values()
    account.given_back = 2500
    refused = await shop.refund(payment_id)
    account.given_back = 0
    await shop.refund(payment_id, "5.00", key="r2")

    answer = await shop.refund(payment_id)
    replay = await shop.refund(payment_id)

    assert (refused.status_code, answer.status_code, answer.json()["amount"]["amount"]) == (409, 201, "20.00")
    assert replay.json() == answer.json()
    keys = [key for name, key in double.provider.calls if name == "refund"]
    assert len(set(keys)) == len(keys) == 3


async def test_a_refund_whose_reference_the_provider_denies_is_not_taken_for_failed(
    shop: Shop, double: DoubleBank
) -> None:
    payment_id = await shipped(shop, "pm_card_pendingRefund")
    await shop.refund(payment_id, "10.00")
    (account,) = double.provider.accounts.values()
    hidden, account.refunds = account.refunds, {}

    await shop.work(hours=1)
    denied = (await shop.read(payment_id))["refunds"][0]["status"]
    account.refunds = hidden
    double.provider.change_refund(next(iter(hidden.values())).id, RefundStatus.SUCCEEDED)
    await shop.work(hours=1)

    assert denied == "pending"
    assert (await shop.read(payment_id))["refunds"][0]["status"] == "succeeded"


async def test_a_refund_that_was_taken_for_refused_and_turns_out_to_be_made_is_counted(
    shop: Shop, double: DoubleBank
) -> None:
    payment_id = await shipped(shop)
    (account,) = double.provider.accounts.values()
    account.given_back = 2500
    await shop.refund(payment_id, "10.00")
    account.given_back = 0
    (refused,) = (await shop.read(payment_id))["refunds"]

    late = await double.provider.refund(account.intent.id, key="late", amount_minor=1000, refund_id=refused["id"])
    about = {"status": "succeeded", "metadata": {"refund_id": refused["id"]}}
    await shop.hear(event("refund.created", late.id, of="refund", **about))
    await shop.work()

    found = await shop.read(payment_id)
    assert (found["status"], found["owed_amount"]["amount"]) == ("partially_refunded", "0.00")
    assert await shop.ledger() == {"stripe_clearing": 1500, "revenue": -1500}


async def test_a_promised_refund_that_was_taken_for_refused_and_is_made_is_owed_and_paid_once(
    shop: Shop, double: DoubleBank
) -> None:
    order, payment_id = await shop.paid()
    (account,) = double.provider.accounts.values()
    account.given_back = 2500
    await shop.tell(order, OrderCancelled, 3)
    await shop.work()
    account.given_back = 0
    (refused,) = (await shop.read(payment_id))["refunds"]

    late = await double.provider.refund(account.intent.id, key="late", amount_minor=2500, refund_id=refused["id"])
    about = {"status": "succeeded", "metadata": {"refund_id": refused["id"]}}
    await shop.hear(event("refund.created", late.id, of="refund", **about))
    await shop.work(days=1)
    await shop.work()

    found = await shop.read(payment_id)
    assert (found["status"], found["owed_amount"]["amount"], len(found["refunds"])) == ("refunded", "0.00", 1)
    assert await shop.ledger() == {}


async def test_a_promised_refund_that_was_taken_for_refused_and_turns_up_pending_is_owed_once(
    shop: Shop, double: DoubleBank
) -> None:
    payment_id = await shipped(shop, "pm_card_pendingRefund")
    double.provider.go_wrong("refund", Fault.DROP_REQUEST)
    promised = (await shop.refund(payment_id, "10.00")).json()
    (account,) = double.provider.accounts.values()
    account.given_back = 2500
    await shop.work()
    account.given_back = 0
    (refused,) = (await shop.read(payment_id))["refunds"]

    late = await double.provider.refund(account.intent.id, key="late", amount_minor=1000, refund_id=promised["id"])
    about = {"status": "pending", "metadata": {"refund_id": promised["id"]}}
    await shop.hear(event("refund.created", late.id, of="refund", **about))
    await shop.work(days=1)
    pending = await owed(shop, payment_id)
    double.provider.change_refund(late.id, RefundStatus.SUCCEEDED)
    await shop.work(days=1)

    assert (refused["status"], pending, await owed(shop, payment_id)) == ("failed", "10.00", "0.00")
    assert account.given_back == 1000
    assert await shop.ledger() == {"stripe_clearing": 1500, "revenue": -1500}


async def test_a_refund_that_fails_after_its_cancelled_order_was_refunded_is_made_again_by_itself(
    shop: Shop, double: DoubleBank
) -> None:
    order, payment_id = await shop.paid()
    part = (await shop.refund(payment_id, "10.00")).json()
    await shop.tell(order, OrderCancelled, 3)
    await shop.work()
    await shop.tell(order, OrderRefunded, 4)

    await fail(shop, double, part)
    await shop.work(minutes=1)
    await shop.work()

    assert (await shop.read(payment_id))["status"] == "refunded"
    assert await shop.ledger() == {}


async def test_a_debt_stays_due_while_a_refund_that_may_be_refused_covers_it(shop: Shop, double: DoubleBank) -> None:
    payment_id = await shipped(shop)
    double.provider.go_wrong("refund", Fault.ERROR_500)
    await shop.refund(payment_id, "10.00")
    while (await shop.read(payment_id))["refunds"][0]["status"] == "pending":
        await shop.work(seconds=30)
    double.provider.gates["refund"] = gate = Gate()
    again = asyncio.create_task(shop.refund(payment_id, "10.00", key="r2"))
    await gate.reached.wait()
    (account,) = double.provider.accounts.values()
    account.given_back = 2500

    await shop.client.rows("UPDATE payment SET debt_due_at = now() - interval '1 day'")
    del double.provider.gates["refund"]
    await shop.work()
    gate.open()
    refused = await again
    account.given_back = 0
    await shop.work(minutes=15)
    await shop.work()

    assert (refused.status_code, refused.json()["type"]) == (409, "refund-refused")
    assert (account.given_back, await owed(shop, payment_id)) == (1000, "0.00")


async def test_a_refund_that_fails_in_its_first_answer_is_a_debt(shop: Shop, double: DoubleBank) -> None:
    payment_id = await shipped(shop)
    running = await shop.refunding_until("refund.answer", payment_id)
    (account,) = double.provider.accounts.values()
    (made,) = account.refunds.values()
    double.provider.change_refund(made.id, RefundStatus.FAILED)
    running.cancel()
    double.provider.gates.pop("refund.answer")
    double.provider.forget_keys()

    await shop.work(hours=24)

    assert (await shop.read(payment_id))["refunds"][0]["status"] == "failed"
    assert await owed(shop, payment_id) == "10.00"


async def test_nothing_is_owed_for_a_refund_that_was_refused_at_once(shop: Shop, double: DoubleBank) -> None:
    payment_id = await shipped(shop)
    (account,) = double.provider.accounts.values()
    account.given_back = 2500

    await shop.refund(payment_id, "10.00")

    assert await owed(shop, payment_id) == "0.00"
    assert await shop.ledger() == UNREFUNDED
