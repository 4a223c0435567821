"""Every class of difference is made and found; what is not safe to repair is told and left as it is."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from services.contracts.events import OrderCancelled, OrderPaid, OrderShipped
from services.payment.clients.provider_double import Fault
from services.payment.domain.intents import DisputeStatus, RefundStatus
from services.payment.domain.reconciliation import MovementKind
from services.payment.operations import disputing
from services.payment.operations.till import Till
from tests.service.payment.books import Books, found, repaired
from tests.service.payment.shop import Order, Shop


@pytest.fixture
def books(shop: Shop) -> Books:
    return Books(shop)


async def unchanged(shop: Shop, books: Books, differences: list[tuple[str, str, str | None]]) -> dict[str, Any]:
    """The report, found twice, of differences that nothing was done about."""
    facts = await shop.fact_types()

    first, second = await books.reconcile(), await books.reconcile()

    assert found(first) == found(second) == differences
    assert repaired(first) == repaired(second) == []
    assert not second["is_equal"]
    assert await shop.fact_types() == facts
    return second


async def test_a_charge_that_the_provider_does_not_know_is_missing_there(shop: Shop, books: Books) -> None:
    sale = await books.sale()
    books.forget(MovementKind.CHARGE)

    report = await unchanged(shop, books, [("missing_there", "charge", sale.intent_id)])

    (told,) = report["differences"]["missing_there"]["items"]
    assert (told["id"], told["payment_id"], told["order_id"]) == (sale.payment_id, sale.payment_id, str(sale.order.id))
    assert (told["order"], told["payment"], told["ledger"], told["provider"]) == ("25.00", "25.00", "25.00", None)
    assert report["differences"]["missing_there"]["count"] == 1


async def test_a_charge_of_another_amount_differs_in_its_amount(shop: Shop, books: Books) -> None:
    sale = await books.sale()
    books.alter(amount_minor=2400)

    await unchanged(shop, books, [("amount", "charge", sale.intent_id)])


async def test_an_order_of_another_amount_than_was_captured_differs_in_its_amount(shop: Shop, books: Books) -> None:
    sale = await books.sale()
    await shop.client.rows("UPDATE payable SET amount_minor = 2600 RETURNING order_id")

    await unchanged(shop, books, [("amount", "charge", sale.intent_id)])


async def test_a_charge_that_was_settled_in_another_currency_is_told_as_that(shop: Shop, books: Books) -> None:
    sale = await books.sale()
    books.alter(currency="USD", fee_minor=0)

    await unchanged(shop, books, [("settlement", "charge", sale.intent_id)])


async def test_an_order_in_another_currency_differs_in_its_currency(shop: Shop, books: Books) -> None:
    sale = await books.sale()
    await shop.client.rows("UPDATE payable SET currency = 'USD' RETURNING order_id")

    await unchanged(shop, books, [("currency", "charge", sale.intent_id)])


async def test_a_second_charge_of_the_same_intent_is_a_duplicate(shop: Shop, books: Books) -> None:
    sale = await books.sale()
    books.balance.charge(sale.intent_id, 2500, currency="EUR", order_id=str(sale.order.id))

    await unchanged(shop, books, [("duplicate", "charge", sale.intent_id)])


async def test_a_charge_of_another_intent_for_a_paid_order_is_a_duplicate(shop: Shop, books: Books) -> None:
    sale = await books.sale()
    books.balance.charge("pi_other", 2500, currency="EUR", order_id=str(sale.order.id))

    report = await unchanged(shop, books, [("duplicate", "charge", "pi_other")])

    (told,) = report["differences"]["duplicate"]["items"]
    assert told["payment_id"] == sale.payment_id


async def test_a_charge_of_another_intent_for_an_unpaid_order_is_missing_and_left_to_people(
    shop: Shop, books: Books
) -> None:
    order = await shop.order()
    await shop.pay(order, "pm_card_chargeDeclined")
    books.balance.charge("pi_other", 2500, currency="EUR", order_id=str(order.id))

    await unchanged(shop, books, [("missing_here", "charge", "pi_other")])


async def test_a_charge_for_an_order_that_nobody_knows_is_an_orphan(shop: Shop, books: Books) -> None:
    order_id = uuid4()
    books.balance.charge("pi_orphan", 2500, currency="EUR", order_id=str(order_id))

    report = await unchanged(shop, books, [("orphan_order", "charge", "pi_orphan")])

    (told,) = report["differences"]["orphan_order"]["items"]
    assert (told["order_id"], told["payment_id"]) == (str(order_id), None)


async def test_a_charge_that_names_no_order_is_missing_here(shop: Shop, books: Books) -> None:
    books.balance.add(MovementKind.CHARGE, 500, source="ch_desk")

    await unchanged(shop, books, [("missing_here", "charge", "ch_desk")])


async def test_a_captured_payment_without_a_booking_is_missing_here(shop: Shop, books: Books) -> None:
    sale = await books.unheard()
    await shop.client.rows("UPDATE payment SET captured_minor = 2500, status = 'succeeded' RETURNING id")
    await shop.tell(sale.order, OrderPaid, 2)

    report = await unchanged(shop, books, [("missing_here", "charge", sale.intent_id)])

    (told,) = report["differences"]["missing_here"]["items"]
    assert (told["payment"], told["ledger"], told["provider"]) == ("25.00", None, "25.00")


@pytest.mark.parametrize(("minutes", "kind"), [(4, "late"), (6, "missing_there")])
async def test_a_charge_that_is_here_alone_is_late_for_as_long_as_it_is_young(
    books: Books, minutes: int, kind: str
) -> None:
    sale = await books.sale()
    books.forget(MovementKind.CHARGE)

    report = await books.reconcile(minutes=minutes)

    assert found(report) == [(kind, "charge", sale.intent_id)]


async def test_what_is_late_only_is_equal(books: Books) -> None:
    await books.unheard()

    report = await books.reconcile(minutes=1)

    assert (report["is_equal"], [kind for kind, _, _ in found(report)]) == (True, ["late"])


async def test_a_provider_whose_clock_goes_before_ours_is_late_only_until_our_time_is_up(books: Books) -> None:
    await books.unheard()
    books.alter(created_at=books.shop.clock.now.replace(year=2100))
    first = await books.reconcile(minutes=1)

    second = await books.reconcile(minutes=6)

    assert ([kind for kind, _, _ in found(first)], repaired(second)[0][:2]) == (["late"], ("missing_here", "charge"))


async def test_a_refund_that_the_provider_does_not_know_is_missing_there(shop: Shop, books: Books) -> None:
    sale = await books.shipped()
    made = (await shop.refund(sale.payment_id, "10.00")).json()
    books.forget(MovementKind.REFUND)

    report = await unchanged(shop, books, [("missing_there", "refund", made["provider_reference"])])

    (told,) = report["differences"]["missing_there"]["items"]
    assert (told["id"], told["payment"], told["ledger"]) == (made["id"], "-10.00", "-10.00")


@pytest.mark.parametrize(("kind", "change"), [("amount", {"amount_minor": -900}), ("settlement", {"currency": "USD"})])
async def test_a_refund_of_another_amount_or_currency_differs_in_that(
    shop: Shop, books: Books, kind: str, change: dict[str, Any]
) -> None:
    sale = await books.shipped()
    made = (await shop.refund(sale.payment_id, "10.00")).json()
    books.alter(**change)

    await unchanged(shop, books, [(kind, "refund", made["provider_reference"])])


async def test_a_refund_that_the_provider_made_twice_is_a_duplicate(shop: Shop, books: Books) -> None:
    sale = await books.shipped()
    made = (await shop.refund(sale.payment_id, "10.00")).json()
    await books.provider.refund(sale.intent_id, key="again", amount_minor=1000, refund_id=made["id"])

    report = await unchanged(shop, books, [("duplicate", "refund", books.balance.movements[-1].source)])

    (told,) = report["differences"]["duplicate"]["items"]
    assert told["payment_id"] == sale.payment_id


async def test_two_refunds_that_name_one_of_ours_are_it_and_a_duplicate(shop: Shop, books: Books) -> None:
    sale = await books.shipped()
    books.provider.go_wrong("refund", Fault.DROP_ANSWER)
    ours = (await shop.refund(sale.payment_id, "10.00")).json()
    again = UUID(ours["id"])
    books.balance.add(MovementKind.REFUND, -1000, source="re_again", intent_id=sale.intent_id, refund_id=again)

    report = await books.reconcile()

    assert [kind for kind, _, _ in repaired(report)] == ["missing_here"]
    assert found(report) == [("duplicate", "refund", "re_again")]


async def test_a_refund_by_hand_that_came_back_is_nothing_to_compare(shop: Shop, books: Books) -> None:
    sale = await books.shipped()
    books.provider.change_refund(await books.by_hand(sale, 1000), RefundStatus.FAILED)

    report = await books.reconcile()

    assert (found(report), repaired(report), report["is_equal"]) == ([], [], True)
    assert (await shop.read(sale.payment_id))["refunds"] == []


async def test_a_refund_of_a_payment_that_nobody_knows_is_missing_here(shop: Shop, books: Books) -> None:
    books.balance.add(MovementKind.REFUND, -500, source="re_desk", intent_id="pi_desk")

    await unchanged(shop, books, [("missing_here", "refund", "re_desk")])


async def test_a_refund_that_the_provider_still_works_on_is_late_for_as_long_as_that(shop: Shop, books: Books) -> None:
    sale = await books.shipped("pm_card_pendingRefund")
    made = (await shop.refund(sale.payment_id, "10.00")).json()

    reports = [await books.reconcile(), await books.reconcile(minutes=30)]

    assert [found(report) for report in reports] == [[("late", "refund", made["provider_reference"])]] * 2


async def test_a_refund_that_was_given_up_before_it_was_made_is_nothing_to_compare(shop: Shop, books: Books) -> None:
    sale = await books.shipped()
    books.provider.accounts[sale.intent_id].given_back = 2500
    await shop.refund(sale.payment_id, "10.00")

    report = await books.reconcile()

    assert (found(report), report["compared"]["refunds"]) == ([], 1)


async def test_a_refund_with_another_sum_in_the_ledger_differs_in_its_amount(shop: Shop, books: Books) -> None:
    sale = await books.shipped()
    made = (await shop.refund(sale.payment_id, "10.00")).json()
    await book(shop, "refund_failure", made["id"], sale.order, debit="stripe_clearing", credit="refunds_payable")

    await unchanged(shop, books, [("amount", "refund", made["provider_reference"])])


async def book(shop: Shop, kind: str, of: str, order: Order, *, debit: str, credit: str, minor: int = 300) -> None:
    await shop.client.rows(
        "WITH booked AS (INSERT INTO ledger_transaction (id, idempotency_key, kind, order_id, at)"
        " VALUES (gen_random_uuid(), %s, %s, %s, now() - interval '1 hour') RETURNING id)"
        " INSERT INTO ledger_entry (transaction_id, account, amount_minor, currency)"
        " SELECT id, %s, %s, 'EUR' FROM booked UNION ALL SELECT id, %s, %s, 'EUR' FROM booked RETURNING account",
        f"{kind}:{of}",
        kind,
        order.id,
        debit,
        minor,
        credit,
        -minor,
    )


async def test_a_dispute_that_the_provider_does_not_know_is_missing_there(shop: Shop, books: Books) -> None:
    sale = await books.shipped()
    await book(shop, "dispute_withdrawn", "du_none", sale.order, debit="dispute_hold", credit="stripe_clearing")

    report = await unchanged(shop, books, [("missing_there", "dispute", None)])

    assert report["differences"]["missing_there"]["items"][0]["id"] == "du_none"


@pytest.mark.parametrize(("kind", "change"), [("amount", {"amount_minor": -2600}), ("settlement", {"currency": "USD"})])
async def test_a_dispute_of_another_amount_or_currency_differs_in_that(
    shop: Shop, books: Books, kind: str, change: dict[str, Any]
) -> None:
    reference = await disputed(books)
    await books.reconcile()
    await forgotten_by_the_mirror(shop)
    books.alter(reference, **change)

    await unchanged(shop, books, [(kind, "dispute", reference)])


@pytest.mark.parametrize("outcome", [DisputeStatus.WON, DisputeStatus.LOST])
async def test_a_dispute_that_was_settled_in_another_currency_is_told_and_never_booked_as_ours(
    shop: Shop, books: Books, outcome: DisputeStatus
) -> None:
    sale = await books.shipped()
    books.provider.settles_in = "USD"
    reference = books.provider.dispute(sale.intent_id)
    books.provider.close_dispute(reference, outcome)
    await disputing.take(shop.client.runtime.part(Till), reference, at=shop.clock.now)

    await unchanged(shop, books, [("settlement", "dispute", reference)])

    assert await shop.ledger() == {"stripe_clearing": 2440, "revenue": -2500, "stripe_fees": 60}


async def test_a_dispute_that_took_less_often_than_we_booked_is_missing_there(shop: Shop, books: Books) -> None:
    reference = await disputed(books)
    books.provider.close_dispute(reference, DisputeStatus.WON)
    await books.reconcile()
    books.balance.movements.pop()
    await forgotten_by_the_mirror(shop)

    await unchanged(shop, books, [("missing_there", "dispute", reference)])


async def test_a_dispute_of_a_payment_that_nobody_knows_is_missing_here(shop: Shop, books: Books) -> None:
    books.balance.add(MovementKind.DISPUTE, -500, fee_minor=1500, source="du_desk", intent_id="pi_desk")

    await unchanged(shop, books, [("missing_here", "dispute", "du_desk")])


async def disputed(books: Books) -> str:
    sale = await books.shipped()
    return books.provider.dispute(sale.intent_id)


async def forgotten_by_the_mirror(shop: Shop) -> None:
    """Let the whole list be mirrored anew."""
    await shop.client.rows("DELETE FROM provider_movement RETURNING id")
    await shop.client.rows("UPDATE reconciliation_run SET period_to = NULL RETURNING id")


async def test_a_fee_or_a_payout_that_changed_its_mind_after_it_was_booked_is_told(shop: Shop, books: Books) -> None:
    await books.sale()
    books.balance.add(MovementKind.PAYOUT, -1000, source="po_1")
    await books.reconcile()
    books.alter("po_1", currency="USD")
    books.alter("ch_pi_1", fee_minor=61)
    await forgotten_by_the_mirror(shop)

    await unchanged(shop, books, [("amount", "fee", "txn_1"), ("currency", "payout", "txn_2")])


async def test_a_fee_that_the_provider_takes_back_without_a_word_is_missing_there(shop: Shop, books: Books) -> None:
    books.balance.add(MovementKind.FEE, -200)
    await books.reconcile()
    books.balance.movements.clear()
    await forgotten_by_the_mirror(shop)

    report = await unchanged(shop, books, [("missing_there", "fee", None)])

    assert report["differences"]["missing_there"]["items"][0]["id"] == "txn_1"


async def test_a_payout_that_counts_as_booked_and_is_not_is_missing_here(shop: Shop, books: Books) -> None:
    await shop.client.rows(
        "INSERT INTO provider_movement"
        " (id, kind, amount_minor, fee_minor, currency, created_at, mirrored_at, is_booked)"
        " VALUES ('txn_x', 'payout', -5, 0, 'EUR', now(), now(), true) RETURNING id"
    )

    await unchanged(shop, books, [("missing_here", "payout", "txn_x")])


async def test_a_movement_that_nothing_here_is_like_is_missing_here(shop: Shop, books: Books) -> None:
    books.balance.add(MovementKind.OTHER, -700, source="x_1", currency="XAU")

    report = await unchanged(shop, books, [("missing_here", "other", "x_1")])

    (told,) = report["differences"]["missing_here"]["items"]
    assert (told["currency"], told["provider"]) == ("XAU", "-7.00")


async def test_an_order_that_says_paid_without_any_money_contradicts_itself(shop: Shop, books: Books) -> None:
    order = await shop.order()
    await shop.tell(order, OrderPaid, 2)

    report = await unchanged(shop, books, [("state", "order", None)])

    (told,) = report["differences"]["state"]["items"]
    assert (told["id"], told["order"], told["payment"]) == (str(order.id), "25.00", "0.00")


async def test_an_order_that_has_not_heard_of_its_payment_is_late_and_then_contradicts_itself(
    shop: Shop, books: Books
) -> None:
    _, payment_id = await shop.paid()
    intent_id = (await shop.read(payment_id))["provider_reference"]

    early = await books.reconcile(minutes=1)

    assert found(early) == [("late", "order", intent_id)]
    await unchanged(shop, books, [("state", "order", intent_id)])


async def test_a_shipped_order_whose_money_went_back_contradicts_itself(shop: Shop, books: Books) -> None:
    sale = await books.shipped()
    await shop.refund(sale.payment_id)

    await unchanged(shop, books, [("state", "order", sale.intent_id)])


async def test_a_cancelled_order_is_right_while_its_money_is_on_its_way_back(shop: Shop, books: Books) -> None:
    sale = await books.sale()
    books.provider.go_wrong("refund", Fault.DROP_REQUEST, times=100)
    await shop.tell(sale.order, OrderCancelled, 3)

    report = await books.reconcile()

    assert found(report) == []


async def test_a_cancelled_order_that_keeps_money_contradicts_itself(shop: Shop, books: Books) -> None:
    sale = await books.sale()
    await shop.client.rows("UPDATE payable SET order_status = 'cancelled', state = 'closed' RETURNING order_id")

    await unchanged(shop, books, [("state", "order", sale.intent_id)])


async def test_a_cancelled_order_whose_money_the_bank_took_back_keeps_none(shop: Shop, books: Books) -> None:
    sale = await books.sale()
    reference = books.provider.dispute(sale.intent_id)
    books.provider.close_dispute(reference, DisputeStatus.LOST)
    await books.reconcile()
    await shop.tell(sale.order, OrderCancelled, 3)

    report = await books.reconcile()

    assert found(report) == []


async def test_differences_are_told_up_to_a_hundred_of_a_class_and_all_are_counted(books: Books) -> None:
    for n in range(101):
        books.balance.add(MovementKind.OTHER, -n, source=f"x_{n}")

    report = await books.reconcile()

    missing = report["differences"]["missing_here"]
    assert (missing["count"], len(missing["items"])) == (101, 100)


async def test_whatever_differs_leaves_the_others_alone(shop: Shop, books: Books) -> None:
    right = await books.sale()
    wrong = await books.sale()
    await shop.tell(right.order, OrderShipped, 3)
    books.alter(amount_minor=1)

    await unchanged(shop, books, [("amount", "charge", wrong.intent_id)])
