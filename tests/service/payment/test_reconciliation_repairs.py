"""What a reconciliation repairs: once, by the roads that answers and webhooks take, so that everybody hears of it."""

import asyncio
from dataclasses import replace

import pytest

from services.contracts.events import OrderCancelled, OrderPaid
from services.payment.clients.provider_double import Fault, Gate
from services.payment.domain.intents import DisputeStatus, RefundStatus
from services.payment.domain.reconciliation import MovementKind
from tests.service.payment.books import Books, found, line, repaired
from tests.service.payment.shop import Shop


@pytest.fixture
def books(shop: Shop) -> Books:
    return Books(shop)


async def test_a_payment_that_was_missed_is_recorded_once_and_told(shop: Shop, books: Books) -> None:
    sale = await books.unheard()

    first = await books.reconcile()
    await shop.tell(sale.order, OrderPaid, 2)
    second = await books.reconcile()

    assert repaired(first) == [("missing_here", "charge", sale.intent_id)]
    assert (found(second), repaired(second)) == ([], [])
    assert (await shop.read(sale.payment_id))["status"] == "succeeded"
    assert await shop.fact_types() == ["payment.declined", "payment.succeeded"]
    assert line(second, "charge") == ("25.00", "25.00", "25.00")


async def test_a_payment_whose_answer_was_lost_ends_its_attempt(shop: Shop, books: Books) -> None:
    order = await shop.order()
    books.provider.go_wrong("confirm", Fault.DROP_ANSWER)
    pending = await shop.pay(order)

    report = await books.reconcile()
    replay = await shop.pay(order)

    assert (pending.status_code, replay.status_code) == (202, 201)
    assert [kind for kind, _, _ in repaired(report)] == ["missing_here"]
    assert await shop.fact_types() == ["payment.succeeded"]


async def test_a_payment_that_never_learnt_its_intent_gets_to_know_it(shop: Shop, books: Books) -> None:
    order = await shop.order()
    books.provider.go_wrong("create", Fault.DROP_ANSWER)
    pending = await shop.pay(order)
    await books.provider.confirm("pi_1", key="elsewhere", payment_method="pm_card_visa")

    report = await books.reconcile()

    assert repaired(report) == [("missing_here", "charge", "pi_1")]
    account = await shop.read(pending.json()["id"])
    assert (account["status"], account["provider_reference"]) == ("succeeded", "pi_1")


@pytest.mark.parametrize(("minor", "currency"), [(500, "EUR"), (2500, "JPY"), (2600, "EUR")])
async def test_an_intent_of_another_sum_is_left_to_people_and_the_order_can_still_be_paid(
    shop: Shop, books: Books, minor: int, currency: str
) -> None:
    order = await shop.order()
    books.provider.go_wrong("create", Fault.DROP_REQUEST)
    await shop.pay(order)
    metadata = {"order_id": str(order.id)}
    made = await books.provider.create(key="hand", amount_minor=minor, currency=currency, metadata=metadata)
    await books.provider.confirm(made.id, key="by hand", payment_method="pm_card_visa")

    report = await books.reconcile()
    await shop.work()

    assert (found(report), repaired(report)) == ([("missing_here", "charge", made.id)], [])
    assert (await shop.pay(order)).status_code == 201
    assert await shop.fact_types() == ["payment.succeeded"]


async def test_a_charge_without_an_intent_is_left_to_people_and_the_order_can_still_be_paid(
    shop: Shop, books: Books
) -> None:
    order = await shop.order()
    books.provider.go_wrong("create", Fault.DROP_REQUEST)
    await shop.pay(order)
    books.balance.add(MovementKind.CHARGE, 2500, source="ch_hand", order_id=order.id)

    report = await books.reconcile()
    await shop.work()

    assert (found(report), repaired(report)) == ([("missing_here", "charge", "ch_hand")], [])
    assert (await shop.pay(order)).status_code == 201


async def test_an_intent_that_has_received_less_than_its_movement_tells_is_left_to_people(
    shop: Shop, books: Books
) -> None:
    sale = await books.unheard()
    account = books.provider.accounts[sale.intent_id]
    account.intent = replace(account.intent, received_minor=500)

    report = await books.reconcile()

    assert (found(report), repaired(report)) == ([("missing_here", "charge", sale.intent_id)], [])
    assert await shop.fact_types() == ["payment.declined"]


async def test_a_missed_payment_of_a_cancelled_order_goes_back(shop: Shop, books: Books) -> None:
    sale = await books.unheard()
    await shop.client.rows("UPDATE payable SET order_status = 'cancelled', state = 'closed' RETURNING order_id")

    await books.reconcile()
    await shop.work()
    report = await books.reconcile()

    assert (found(report), (await shop.read(sale.payment_id))["status"]) == ([], "refunded")


async def test_a_refund_made_by_hand_becomes_one_of_ours_and_is_told(shop: Shop, books: Books) -> None:
    sale = await books.shipped()
    reference = await books.by_hand(sale, 1000)

    first = await books.reconcile()
    second = await books.reconcile()

    assert repaired(first) == [("missing_here", "refund", reference)]
    assert (found(first), found(second), repaired(second)) == ([], [], [])
    account = await shop.read(sale.payment_id)
    (refund,) = account["refunds"]
    assert (refund["provider_reference"], refund["reason"]) == (reference, "refunded-at-provider")
    assert (account["status"], account["refunded_amount"]["amount"]) == ("partially_refunded", "10.00")
    assert await shop.fact_types() == ["payment.succeeded", "payment.refunded"]
    assert await shop.ledger() == {"stripe_clearing": 1440, "revenue": -1500, "stripe_fees": 60}


async def test_a_refund_by_hand_that_was_settled_in_another_currency_is_left_to_people(
    shop: Shop, books: Books
) -> None:
    sale = await books.shipped()
    reference = await books.by_hand(sale, 1000)
    books.alter(currency="USD", amount_minor=-1090)

    report = await books.reconcile()

    assert (found(report), repaired(report)) == ([("missing_here", "refund", reference)], [])
    account = await shop.read(sale.payment_id)
    assert (account["status"], account["refunds"]) == ("succeeded", [])


async def test_a_refund_by_hand_that_fails_while_it_is_taken_over_is_not_ours(shop: Shop, books: Books) -> None:
    sale = await books.shipped()
    reference = await books.by_hand(sale, 1000)
    held = books.provider.gates["retrieve"] = Gate()
    shop.clock.advance(minutes=6)
    asked = asyncio.create_task(books.ask())
    await held.reached.wait()
    books.provider.change_refund(reference, RefundStatus.FAILED)
    held.open()
    await asked

    report = await books.reconcile()

    assert (found(report), report["is_equal"]) == ([], True)
    assert await shop.fact_types() == ["payment.succeeded"]


async def test_a_refund_by_hand_that_two_runs_take_over_is_recorded_once(shop: Shop, books: Books) -> None:
    sale = await books.shipped()
    reference = await books.by_hand(sale, 1000)
    held = books.provider.gates["retrieve"] = Gate()
    first = asyncio.create_task(books.when_due())
    await held.reached.wait()
    await books.lose_lock()
    del books.provider.gates["retrieve"]

    report = await books.reconcile()
    held.open()
    await asyncio.gather(first, return_exceptions=True)

    assert repaired(report) == [("missing_here", "refund", reference)]
    account = await shop.read(sale.payment_id)
    (refund,) = account["refunds"]
    assert (refund["status"], account["refunded_amount"]["amount"]) == ("succeeded", "10.00")
    assert (await shop.fact_types()).count("payment.refunded") == 1


async def test_several_refunds_by_hand_are_each_recorded_once_and_never_made_again(shop: Shop, books: Books) -> None:
    sale = await books.shipped()
    for minor in (1000, 500, 500):
        await books.by_hand(sale, minor)

    report = await books.reconcile()
    await shop.work(hours=2)

    assert [kind for kind, _, _ in repaired(report)] == ["missing_here"] * 3
    assert (await shop.read(sale.payment_id))["refunded_amount"]["amount"] == "20.00"
    assert books.provider.accounts[sale.intent_id].given_back == 2000


async def test_a_payment_and_its_refund_by_hand_that_were_both_missed_are_recorded_in_their_order(
    shop: Shop, books: Books
) -> None:
    sale = await books.unheard()
    await books.by_hand(sale, 500)

    await books.reconcile()

    assert await shop.fact_types() == ["payment.declined", "payment.succeeded", "payment.refunded"]


async def test_a_refund_whose_answer_was_lost_is_recorded(shop: Shop, books: Books) -> None:
    sale = await books.shipped()
    books.provider.go_wrong("refund", Fault.DROP_ANSWER)
    pending = (await shop.refund(sale.payment_id, "10.00")).json()

    report = await books.reconcile()

    assert (pending["status"], [kind for kind, _, _ in repaired(report)]) == ("pending", ["missing_here"])
    (refund,) = (await shop.read(sale.payment_id))["refunds"]
    assert (refund["id"], refund["status"]) == (pending["id"], "succeeded")


async def test_a_refund_that_failed_afterwards_opens_the_debt_again(shop: Shop, books: Books) -> None:
    sale = await books.shipped()
    made = (await shop.refund(sale.payment_id, "10.00")).json()
    books.provider.change_refund(made["provider_reference"], RefundStatus.FAILED)

    first = await books.reconcile(minutes=1)
    second = await books.reconcile()

    assert found(first) == [("late", "refund", made["provider_reference"])]
    assert repaired(second) == [("state", "refund", made["provider_reference"])]
    assert (await shop.read(sale.payment_id))["refunds"][0]["status"] == "failed"
    assert await shop.fact_types() == ["payment.succeeded", "payment.refunded", "payment.refund_failed"]


async def test_a_refund_that_was_taken_for_refused_and_was_made_is_recorded(shop: Shop, books: Books) -> None:
    sale = await books.shipped()
    account = books.provider.accounts[sale.intent_id]
    account.given_back = 2500
    await shop.refund(sale.payment_id, "10.00")
    account.given_back = 0
    (refused,) = (await shop.read(sale.payment_id))["refunds"]
    await books.provider.refund(sale.intent_id, key="after all", amount_minor=1000, refund_id=refused["id"])

    report = await books.reconcile()

    assert [(kind, subject) for kind, subject, _ in repaired(report)] == [("state", "refund")]
    assert (await shop.read(sale.payment_id))["refunded_amount"]["amount"] == "10.00"


async def test_a_dispute_that_was_missed_is_recorded_with_what_became_of_it(shop: Shop, books: Books) -> None:
    sale = await books.shipped()
    reference = books.provider.dispute(sale.intent_id)

    first = await books.reconcile()
    books.provider.close_dispute(reference, DisputeStatus.WON)
    second = await books.reconcile()
    third = await books.reconcile()

    assert [repaired(report) for report in (first, second, third)] == [
        [("missing_here", "dispute", reference)],
        [("missing_here", "dispute", reference)],
        [],
    ]
    assert [found(report) for report in (first, second, third)] == [[], [], []]
    assert line(second, "dispute") == (None, "-15.00", "-15.00")
    assert line(second, "balance")[1] == line(second, "balance")[2] == "9.40"
    assert (await shop.fact_types())[1:] == ["payment.disputed", "payment.dispute_closed"]


async def test_what_cannot_be_repaired_now_is_repaired_later_and_blocks_nothing(
    books: Books, capsys: pytest.CaptureFixture[str]
) -> None:
    first, second = await books.unheard(), await books.unheard()
    books.provider.go_wrong("retrieve", Fault.DROP_REQUEST)

    before = await books.reconcile()
    after = await books.reconcile()

    assert "reconciliation.not_repaired" in capsys.readouterr().out
    assert repaired(before) == [("missing_here", "charge", second.intent_id)]
    assert repaired(after) == [("missing_here", "charge", first.intent_id)]


async def test_an_order_that_was_refunded_by_hand_follows(shop: Shop, books: Books) -> None:
    sale = await books.sale()
    await books.by_hand(sale, 2500)

    before = await books.reconcile()
    await shop.tell(sale.order, OrderCancelled, 3)
    await shop.work()
    after = await books.reconcile()

    assert found(before) == [("late", "order", sale.intent_id)]
    assert (found(after), await shop.fact_types()) == ([], ["payment.succeeded", "payment.refunded"])
