"""Two of everything at once, and processes that wake up after others have gone on without them."""

import asyncio
import random
from uuid import UUID, uuid4

import psycopg
from pydantic import BaseModel

from services.contracts.events import OrderShipped
from services.payment.clients.provider_double import Fault, Gate
from services.payment.domain.intents import Intent, IntentStatus
from services.payment.operations import recording
from services.payment.operations.till import Till
from tests.service.payment.banks import DoubleBank
from tests.service.payment.shop import Shop


class Cancelled(BaseModel):
    status: str = "cancelled"


async def the_attempt(shop: Shop) -> UUID:
    (attempt,) = await shop.client.rows("SELECT id FROM attempt")
    found: UUID = attempt["id"]
    return found


async def test_a_sleeper_that_opened_an_intent_for_an_attempt_that_has_ended_confirms_nothing(
    shop: Shop, double: DoubleBank
) -> None:
    order = await shop.order()
    double.provider.go_wrong("create", Fault.DROP_REQUEST)
    await shop.pay(order)
    gate = double.provider.gates["create.answer"] = Gate()
    sleeper = asyncio.create_task(shop.work())
    await gate.reached.wait()
    del double.provider.gates["create.answer"]
    broken = Intent(id="", status=IntentStatus.REQUIRES_PAYMENT_METHOD)
    await recording.record(shop.client.runtime.part(Till), await the_attempt(shop), broken, at=shop.clock.now)

    paid = await shop.pay(order, key="k2")
    gate.open()
    await sleeper
    await shop.work(minutes=5)

    assert paid.status_code == 201
    taken = [account.intent.received_minor for account in double.provider.accounts.values()]
    assert sorted(taken) == [0, 2500]
    assert await shop.ledger() == {"stripe_clearing": 2500, "revenue": -2500}


async def test_a_success_that_comes_back_to_an_attempt_given_up_elsewhere_is_recorded_at_once(
    shop: Shop, double: DoubleBank
) -> None:
    order = await shop.order()
    running = await shop.paying_until("confirm.answer", order)
    await recording.record_invalid(
        shop.client.runtime.part(Till),
        await the_attempt(shop),
        "resource_missing",
        at=shop.clock.now,
    )

    double.provider.gates.pop("confirm.answer").open()
    answer = await running

    assert (answer.status_code, answer.json()["type"]) == (409, "order-already-paid")
    assert await shop.fact_types() == ["payment.succeeded"]
    assert await shop.ledger() == {"stripe_clearing": 2500, "revenue": -2500}


async def test_the_loser_of_two_equal_refunds_gets_the_winners_answer(shop: Shop, double: DoubleBank) -> None:
    order, payment_id = await shop.paid()
    await shop.tell(order, OrderShipped, 3)

    answers = await asyncio.gather(*(shop.refund(payment_id, "10.00") for _ in range(8)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert [answer.headers.get("Idempotent-Replayed") for answer in answers].count(None) == 1
    assert double.provider.count("refund") == 1


async def test_refunds_from_all_sides_with_lost_answers_never_exceed_the_capture(
    shop: Shop, double: DoubleBank
) -> None:
    order, payment_id = await shop.paid()
    await shop.tell(order, OrderShipped, 3)
    double.provider.go_wrong("refund", Fault.DROP_ANSWER, times=3)
    double.provider.go_wrong("refund", Fault.DROP_REQUEST, times=3)
    amounts = [random.Random(7).randint(100, 900) for _ in range(5)] * 6  # noqa: S311 - amounts

    await asyncio.gather(
        *(shop.refund(payment_id, f"{minor / 100:.2f}", key=f"r{n}") for n, minor in enumerate(amounts))
    )
    for _ in range(3):
        await shop.work(seconds=30)

    (account,) = double.provider.accounts.values()
    refunded = (await shop.read(payment_id))["refunded_amount"]["amount"]
    assert account.given_back <= 2500
    assert refunded == f"{account.given_back / 100:.2f}"
    left = 2500 - account.given_back
    assert await shop.ledger() == ({"stripe_clearing": left, "revenue": -left} if left else {})


async def test_a_whole_refund_whose_money_goes_back_otherwise_while_the_order_is_cancelled_is_refused(
    shop: Shop, double: DoubleBank
) -> None:
    order, payment_id = await shop.paid()

    def cancel(_: object) -> BaseModel:
        with psycopg.connect(shop.client.runtime.database.url) as connection:
            connection.execute(
                "INSERT INTO refund (id, payment_id, amount_minor, currency, status, due_at, created_at)"
                " VALUES (%s, %s, 2500, 'EUR', 'pending', now() + interval '1 hour', now())",
                [uuid4(), payment_id],
            )
        return Cancelled()

    shop.sidecar.reply("order", "DELETE", f"/orders/{order.id}", cancel)

    answer = await shop.refund(payment_id)

    assert (answer.status_code, answer.json()["type"]) == (409, "refund-exceeds-payment")
    assert double.provider.count("refund") == 0
