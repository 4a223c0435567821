"""Journeys on which the provider is difficult: it does not answer, refuses, or takes the money back."""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from uuid import uuid4

from services.local.proofs.purchases import PART, ordered, paid, refund
from services.local.proofs.shop import AUTHENTICATION, DECLINED, VISA, Json, Outcome, Reach, Shop, until

_NONE_ANSWERED = {"kind": "drop_answer", "times": 1}


async def mishear(shop: Shop, outcome: Outcome, reach: Reach) -> None:
    """The provider opens an intent and makes a refund, and nobody hears its answers."""
    lamp, ada, order = await ordered(shop, reach)
    await reach("pay")
    await shop.provider("POST", "/faults", _NONE_ANSWERED | {"match": "create"})
    payment = await paid(shop, ada, order, outcome)
    await reach("refund")
    await shop.provider("POST", "/faults", _NONE_ANSWERED | {"match": "refund"})
    await refund(shop, ada, payment, PART, "partially_refunded")
    await shop.stock_becomes(lamp, on_hand=8)


async def stumble(shop: Shop, outcome: Outcome, reach: Reach) -> None:
    """The provider's error sticks to a refund's key: the promise is kept by another refund."""
    _, ada, order = await ordered(shop, reach)
    payment = await paid(shop, ada, order, outcome)
    await reach("refund")
    await shop.provider("POST", "/faults", {"match": "refund", "kind": "error_500", "times": 1})
    path = f"/payments/{payment['id']}"
    await shop.staff.ask("POST", f"{path}/refund", HTTPStatus.CREATED, json=PART, key=str(uuid4()))
    refunded = {"amount": "5.00", "currency": "EUR"}
    await until(
        _hurried(shop, lambda: ada.see(path)),
        lambda told: told["refunded_amount"] == refunded,
        "the promise being kept",
    )


async def give_up(shop: Shop, outcome: Outcome, reach: Reach) -> None:
    """An order is cancelled whose payment waits for its customer, was declined, or is on its way."""
    lamp, ada, order = await ordered(shop, reach)
    await shop.prepare(outcome)
    card = {Outcome.SUCCEEDS: AUTHENTICATION, Outcome.DECLINED: DECLINED, Outcome.TIMES_OUT: VISA}[outcome]
    answers = (HTTPStatus.CREATED, HTTPStatus.ACCEPTED, HTTPStatus.PAYMENT_REQUIRED)
    await reach("pay")
    await ada.try_to_pay(order, card, *answers)
    await reach("cancel")
    await ada.cancel(order)
    await ada.becomes(order, "refunded" if outcome is Outcome.TIMES_OUT else "cancelled")
    await shop.stock_becomes(lamp, on_hand=9)


async def dispute(shop: Shop, outcome: Outcome, reach: Reach) -> None:
    """The money is taken back, a refund of it is refused, and the dispute is won; lost where a card was declined."""
    _, ada, order = await ordered(shop, reach)
    payment = await paid(shop, ada, order, outcome)
    path = f"/payments/{payment['id']}"
    await reach("dispute")
    await shop.provider("PUT", "/webhooks", {"withhold": ["*"]})
    opened = await shop.provider("POST", "/disputes", {"payment_intent": payment["provider_reference"]})
    await shop.staff.ask("POST", f"{path}/refund", HTTPStatus.CONFLICT, json=PART, key=str(uuid4()))
    await shop.provider("DELETE", "/webhooks")
    await ada.payment_becomes(payment["id"], "disputed")
    await reach("decide")
    verdict = "lost" if outcome is Outcome.DECLINED else "won"
    await shop.provider("POST", f"/disputes/{opened['id']}/close", {"outcome": verdict})
    await until(lambda: ada.see(path), lambda told: [one["status"] for one in told["disputes"]] == [verdict], verdict)


async def reconcile(shop: Shop, outcome: Outcome, reach: Reach) -> None:
    """Money went back by hand at the provider: a reconciliation finds it there and books it here."""
    _, ada, order = await ordered(shop, reach)
    payment = await paid(shop, ada, order, outcome)
    await shop.pay_back_by_hand(payment["provider_reference"], minor=500)
    await asyncio.to_thread(shop.clocks.forget_mirror)
    await reach("reconcile")

    async def reconciled() -> Json:
        answers = (HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.CONFLICT)
        await shop.staff.ask("POST", "/payments/reconciliation", *answers)
        return await ada.see(f"/payments/{payment['id']}")

    await until(reconciled, lambda told: told["status"] == "partially_refunded", "the refund being known")


def _hurried(shop: Shop, ask: Callable[[], Awaitable[Json]]) -> Callable[[], Awaitable[Json]]:
    async def hurried() -> Json:
        await asyncio.to_thread(shop.clocks.hurry)
        return await ask()

    return hurried
