"""Cancelling and expiring against paying: whoever comes first, no cancelled order keeps money."""

from services.contracts.events import OrderCancelled, OrderPlaced, OrderShipped
from services.payment.clients.provider_double import Fault
from services.payment.domain.intents import Intent, IntentStatus
from tests.service.payment.banks import DoubleBank
from tests.service.payment.shop import Order, Shop


async def test_an_order_cancelled_while_it_is_being_paid_gives_the_money_back(shop: Shop, double: DoubleBank) -> None:
    order = await shop.order()
    paying = await shop.paying_until("confirm", order)

    await shop.tell(order, OrderCancelled, 2)
    double.provider.gates.pop("confirm").open()
    answer = await paying
    await shop.work()

    assert answer.status_code == 201
    assert (await shop.read(answer.json()["id"]))["status"] == "refunded"
    assert await shop.ledger() == {}


async def test_an_order_cancelled_before_its_confirmation_arrives_takes_no_money(
    shop: Shop, double: DoubleBank
) -> None:
    order = await shop.order()
    paying = await shop.paying_until("confirm", order)

    await shop.tell(order, OrderCancelled, 2)
    await shop.work()
    double.provider.gates.pop("confirm").open()
    answer = await paying

    assert (answer.status_code, answer.json()["type"]) == (409, "order-not-payable")
    assert await shop.ledger() == {}
    assert [account.intent.status for account in double.provider.accounts.values()] == [IntentStatus.CANCELED]


async def test_an_order_cancelled_while_the_intent_is_opened_is_not_confirmed(shop: Shop, double: DoubleBank) -> None:
    order = await shop.order()
    paying = await shop.paying_until("create", order)

    await shop.tell(order, OrderCancelled, 2)
    double.provider.gates.pop("create").open()
    answer = await paying

    assert (answer.status_code, answer.json()["type"]) == (409, "order-not-payable")
    assert double.provider.count("confirm") == 0


async def test_a_pending_attempt_of_a_cancelled_order_is_canceled_at_the_bank(shop: Shop, double: DoubleBank) -> None:
    order = await shop.order()
    double.provider.go_wrong("confirm", Fault.DROP_REQUEST)
    await shop.pay(order)

    await shop.tell(order, OrderCancelled, 2)
    await shop.work()
    replay = await shop.pay(order)

    assert (replay.status_code, replay.json()["decline_code"]) == (402, "canceled")
    assert double.provider.count("confirm") == 1


async def test_a_pending_attempt_that_had_gone_through_is_refunded_when_its_order_is_cancelled(
    shop: Shop, double: DoubleBank
) -> None:
    order = await shop.order()
    double.provider.go_wrong("confirm", Fault.DROP_ANSWER)
    pending = await shop.pay(order)

    await shop.tell(order, OrderCancelled, 2)
    await shop.work()

    assert (await shop.read(pending.json()["id"]))["status"] == "refunded"


async def test_a_pending_attempt_without_an_intent_ends_with_its_order(shop: Shop, double: DoubleBank) -> None:
    order = await shop.order()
    double.provider.go_wrong("create", Fault.DROP_REQUEST)
    pending = await shop.pay(order)

    await shop.tell(order, OrderCancelled, 2)
    await shop.work()

    assert (await shop.read(pending.json()["id"]))["status"] == "failed"
    assert double.provider.count("create") == 1


async def test_the_intent_of_a_declined_payment_is_canceled_with_its_order(shop: Shop, double: DoubleBank) -> None:
    order = await shop.order()
    await shop.pay(order, "pm_card_chargeDeclined")
    double.provider.go_wrong("cancel", Fault.DROP_REQUEST)

    await shop.tell(order, OrderCancelled, 2)
    await shop.work()
    await shop.work(seconds=31)

    assert double.provider.count("cancel") == 2
    assert [account.intent.status for account in double.provider.accounts.values()] == [IntentStatus.CANCELED]


async def test_an_intent_that_turns_out_to_have_succeeded_is_refunded_instead(shop: Shop, double: DoubleBank) -> None:
    order = await shop.order()
    declined = await shop.pay(order, "pm_card_chargeDeclined")
    await double.provider.confirm(next(iter(double.provider.accounts)), key="elsewhere", payment_method="pm_card_visa")

    await shop.tell(order, OrderCancelled, 2)
    await shop.work()
    await shop.work()

    assert (await shop.read(declined.json()["payment_id"]))["status"] == "refunded"
    assert await shop.ledger() == {}


async def test_closing_an_order_that_nobody_pays_lets_no_attempt_begin(shop: Shop) -> None:
    order = await shop.order()

    closed = await shop.close(order)
    answer = await shop.pay(order)

    assert closed == {"order_id": str(order.id), "outcome": "closed", "payment_id": None}
    assert (answer.status_code, answer.json()["type"]) == (409, "order-not-payable")


async def test_closing_comes_before_the_event_that_it_was_placed(shop: Shop) -> None:
    order = Order()

    closed = await shop.close(order)
    await shop.tell(order, OrderPlaced)
    answer = await shop.pay(order)

    assert (closed["outcome"], answer.status_code) == ("closed", 409)


async def test_closing_a_paid_order_tells_that_it_is_paid(shop: Shop) -> None:
    order, payment_id = await shop.paid()

    closed = await shop.close(order)

    assert (closed["outcome"], closed["payment_id"]) == ("paid", payment_id)


async def test_closing_an_order_that_is_being_paid_is_for_later(shop: Shop, double: DoubleBank) -> None:
    order = await shop.order()
    double.provider.go_wrong("confirm", Fault.DROP_ANSWER)
    await shop.pay(order)

    busy = await shop.close(order)
    await shop.work()
    closed = await shop.close(order)

    assert (busy["outcome"], closed["outcome"]) == ("busy", "paid")
    assert (await shop.fact_types()) == ["payment.succeeded"]


async def test_closing_ends_an_attempt_that_waits_for_its_customer(shop: Shop) -> None:
    order = await shop.order()
    waiting = await shop.pay(order, "pm_card_authenticationRequired")

    closed = await shop.close(order)

    assert closed["outcome"] == "closed"
    account = await shop.read(waiting.json()["id"])
    assert (account["status"], account["attempts"][0]["decline_code"]) == ("failed", "canceled")


async def test_closing_finds_an_authentication_that_nobody_told_of(shop: Shop, double: DoubleBank) -> None:
    order = await shop.order()
    waiting = await shop.pay(order, "pm_card_authenticationRequired")
    await double.authenticate(waiting.json()["next_action"]["url"], passes=True)

    closed = await shop.close(order)

    assert (closed["outcome"], closed["payment_id"]) == ("paid", waiting.json()["id"])
    assert (await shop.read(waiting.json()["id"]))["status"] == "succeeded"


async def test_closing_is_for_later_while_the_bank_does_not_answer(shop: Shop, double: DoubleBank) -> None:
    order = await shop.order()
    await shop.pay(order, "pm_card_authenticationRequired")
    double.provider.go_wrong("cancel", Fault.DROP_REQUEST)

    closed = await shop.close(order)

    assert closed["outcome"] == "busy"


async def test_a_cancelled_order_that_nobody_paid_needs_nothing(shop: Shop, double: DoubleBank) -> None:
    order = await shop.order()

    answer = await shop.tell(order, OrderCancelled, 2)
    await shop.work()

    assert (answer, double.provider.calls) == ("SUCCESS", [])


async def test_older_news_of_an_order_change_nothing(shop: Shop) -> None:
    order = await shop.order()
    await shop.tell(order, OrderShipped, 3)

    await shop.tell(order, OrderPlaced, 2)

    (payable,) = await shop.client.rows("SELECT order_status, order_version, state FROM payable")
    assert payable == {"order_status": "shipped", "order_version": 3, "state": "closed"}


async def test_an_intent_that_the_bank_still_works_on_is_canceled_later(shop: Shop, double: DoubleBank) -> None:
    order = await shop.order()
    await shop.pay(order, "pm_card_chargeDeclined")
    (account,) = double.provider.accounts.values()
    account.intent = Intent(id=account.intent.id, status=IntentStatus.PROCESSING)

    await shop.tell(order, OrderCancelled, 2)
    await shop.work()
    account.intent = Intent(id=account.intent.id, status=IntentStatus.REQUIRES_CONFIRMATION)
    await shop.work(seconds=31)

    assert account.intent.status is IntentStatus.CANCELED


async def test_an_intent_that_was_paid_since_is_not_canceled(shop: Shop, double: DoubleBank) -> None:
    order, payment_id = await shop.paid()
    await shop.client.rows("UPDATE payment SET cancel_due_at = now() - interval '1 day' RETURNING id")

    await shop.work()

    assert double.provider.count("cancel") == 0
    assert (await shop.close(order))["payment_id"] == payment_id
