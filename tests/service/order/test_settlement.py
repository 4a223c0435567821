"""What payments' events do to orders, in any order and any number of times."""

from uuid import UUID, uuid4

import pytest

from services.contracts.events import PaymentDisputeClosed, PaymentDisputed, PaymentRefundFailed
from tests.service.order.shop import Shop, payment_id_of, refund_of, succeeded


async def test_a_captured_payment_makes_the_order_paid_once(shop: Shop) -> None:
    order = await shop.order()

    answers = [await shop.client.deliver(succeeded(order)) for _ in range(2)]

    paid = await shop.get(order["id"])
    assert answers == ["SUCCESS", "SUCCESS"]
    assert (paid["status"], paid["version"], paid["payment_id"]) == ("paid", 2, str(payment_id_of(order)))
    assert paid["history"][-1]["actor"] == "service:payment"
    assert [fact["type"] for fact in await shop.client.facts()] == ["order.placed", "order.paid"]


@pytest.mark.parametrize("status", ["paid", "shipped", "delivered", "refunded"])
async def test_news_of_a_payment_that_is_known_changes_nothing(shop: Shop, status: str) -> None:
    order = await shop.order_in(status)
    other = succeeded(order).model_copy(update={"version": 9})

    answer = await shop.client.deliver(other)

    assert (answer, await shop.get(order["id"])) == ("SUCCESS", order)


async def test_money_for_a_cancelled_order_is_noted_and_left_to_payment(shop: Shop) -> None:
    order = await shop.order_in("cancelled")

    answer = await shop.client.deliver(succeeded(order))

    found = await shop.get(order["id"])
    assert (answer, found["status"], found["version"]) == ("SUCCESS", "cancelled", order["version"] + 1)
    assert (found["history"][-1]["status"], found["history"][-1]["reason"]) == ("cancelled", "paid-after-cancellation")
    assert found["payment_id"] == str(payment_id_of(order))
    assert [fact["type"] for fact in await shop.client.facts()] == ["order.placed", "order.cancelled", "order.noted"]


@pytest.mark.parametrize("status", ["shipped", "delivered", "cancelled"])
async def test_a_full_refund_moves_the_order(shop: Shop, status: str) -> None:
    order = await shop.order_in(status)

    answer = await shop.client.deliver(refund_of(order))

    found = await shop.get(order["id"])
    assert (answer, found["status"], found["version"]) == ("SUCCESS", "refunded", order["version"] + 1)
    assert found["payment_id"] == str(payment_id_of(order))
    assert [fact["type"] for fact in await shop.client.facts()][-1] == "order.refunded"


async def test_a_full_refund_of_a_paid_order_cancels_it_first_so_that_its_stock_returns(shop: Shop) -> None:
    order = await shop.order_in("paid")

    await shop.client.deliver(refund_of(order))

    found = await shop.get(order["id"])
    assert [entry["status"] for entry in found["history"]] == ["pending", "paid", "cancelled", "refunded"]
    assert [fact["type"] for fact in await shop.client.facts()][-2:] == ["order.cancelled", "order.refunded"]


async def test_a_second_full_refund_changes_nothing(shop: Shop) -> None:
    order = await shop.order_in("refunded")

    answer = await shop.client.deliver(refund_of(order, version=8))

    assert (answer, await shop.get(order["id"])) == ("SUCCESS", order)


async def test_a_partial_refund_is_noted_and_does_not_move_the_order(shop: Shop) -> None:
    order = await shop.order_in("shipped")

    await shop.client.deliver(refund_of(order, refunded="5.00"))

    found = await shop.get(order["id"])
    assert (found["status"], found["version"]) == ("shipped", order["version"] + 1)
    assert found["history"][-1]["reason"] == "partial refund of 5.00 EUR"


async def test_a_refund_that_overtakes_its_payment_comes_again(shop: Shop) -> None:
    order = await shop.order()

    early = await shop.client.deliver(refund_of(order))
    await shop.pay(order)
    again = await shop.client.deliver(refund_of(order))

    assert (early, again) == ("RETRY", "SUCCESS")
    assert (await shop.get(order["id"]))["status"] == "refunded"


async def test_a_refund_that_fails_is_noted(shop: Shop) -> None:
    order = await shop.order_in("cancelled")
    failed = PaymentRefundFailed.model_validate(refund_of(order).model_dump() | {"status": "succeeded"})

    await shop.client.deliver(failed)

    assert (await shop.get(order["id"]))["history"][-1]["reason"] == "refund of 25.00 EUR failed"


async def test_a_dispute_and_its_outcome_are_noted_and_move_nothing(shop: Shop) -> None:
    order = await shop.order_in("shipped")
    about = succeeded(order).model_dump() | {"dispute_id": "du_1", "dispute_amount": refund_of(order).refund_amount}

    await shop.client.deliver(PaymentDisputed(**about | {"version": 5}, reason="fraudulent"))
    await shop.client.deliver(PaymentDisputeClosed(**about | {"version": 6}, outcome="lost"))

    found = await shop.get(order["id"])
    assert found["status"] == "shipped"
    assert [entry["reason"] for entry in found["history"][-2:]] == [
        "dispute of 25.00 EUR (fraudulent)",
        "dispute of 25.00 EUR lost",
    ]


async def test_news_of_an_order_that_is_not_known_comes_again(shop: Shop) -> None:
    order = await shop.order()
    unknown = succeeded(order).model_copy(update={"order_id": uuid4()})

    answer = await shop.client.deliver(unknown)

    assert answer == "RETRY"
    assert await shop.client.rows("SELECT * FROM inbox WHERE event_id = %s", UUID(str(unknown.event_id))) == []


async def test_an_event_that_cannot_be_read_is_dropped(shop: Shop) -> None:
    order = await shop.order()

    answer = await shop.client.deliver(succeeded(order), data={"order_id": 5})

    assert answer == "DROP"
