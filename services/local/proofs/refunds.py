"""Concurrent refunds: staff refund parts of the same payments at once, and no payment gives back more than it took."""

import asyncio
import json
import random
import sqlite3
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar
from uuid import uuid4

import psycopg

from services.local.audit import sources_of, until_clean
from services.local.proofs import faults
from services.local.proofs.purchases import PARCEL
from services.local.proofs.shop import Json, Outcome, Shop, Shopper
from services.local.proofs.verdict import Verdict
from services.local.system import System

_UNITS = 5
_WORKERS = 16
_LEAST_MINOR, _MOST_MINOR = 100, 2000
_SETTLES_WITHIN = 120.0
_OURS = """
SELECT intent_id, captured_minor, refunded_minor, owed_minor, coalesce((
    SELECT -sum(entry.amount_minor) FROM ledger_transaction AS booked JOIN ledger_entry AS entry
    ON entry.transaction_id = booked.id AND entry.account = 'stripe_clearing'
    WHERE booked.order_id = payment.order_id AND booked.kind IN ('refund', 'refund_failure')
), 0)::bigint
FROM payment WHERE captured_minor > 0
"""
_THEIRS = "SELECT body FROM object WHERE kind = 'charge'"

Tell = Callable[[str], None]
Told = TypeVar("Told")


@dataclass(frozen=True, kw_only=True)
class Options:
    """How many payments, how many refunds of each are asked for, each twice at once; what share of answers is lost."""

    payments: int = 40
    refunds: int = 25
    share: float = 0.2
    seed: int = 1


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of it: `over` gave back more than they took, `apart` are those whose books say different sums.

    Nothing is proven where no answer was `lost` and no refund was refused; `split` are keys that gave several refunds.
    """

    options: Options
    asked: int
    made: int
    lost: int
    split: int
    over: int
    apart: int
    findings: int

    @property
    def verdict(self) -> Verdict:
        """The figure."""
        zeros = {
            "over the capture": self.over,
            "books apart": self.apart,
            "keys with several refunds": self.split,
            "findings of the audit": self.findings,
        }
        refused = self.asked - self.made
        reached = ", ".join(f"{number} {what}" for what, number in zeros.items())
        return Verdict(
            name=f"concurrent refunds of {self.options.payments} payments",
            target="sum never over the capture; one refund for a key; provider, ledger and payment agree",
            reached=f"{self.made:,} made, {refused:,} refused, {self.lost:,} answers lost: {reached}",
            is_reached=min(self.made, refused, self.lost) > 0 and not any(zeros.values()),
        )


async def prove(system: System, options: Options, tell: Tell) -> Result:
    """Refund the payments of a running system from all sides."""
    choose = random.Random(options.seed)  # noqa: S311 - amounts of a proof, not a secret
    async with Shop.visited(system) as shop:
        tell(f"{options.payments} orders are paid and shipped")
        paid = await _paid(shop, options.payments)
        asked = [(payment, _amount(choose)) for payment in paid for _ in range(options.refunds)]
        choose.shuffle(asked)
        fault = {"match": "refund", "kind": "drop_answer", "probability": options.share, "seed": options.seed}
        tell(f"{len(asked):,} refunds are asked for, each of them twice")
        async with faults.striking(system, fault) as struck:
            made = await _at_once([_refund(shop, payment, minor) for payment, minor in asked])
        tell("everything settles")
        audited = await until_clean(sources_of(system), within=_SETTLES_WITHIN)
    over, apart = await _settled(system)
    return Result(
        options=options,
        asked=len(asked),
        made=sum(bool(ids) for ids in made),
        lost=sum(struck),
        split=sum(len(ids) > 1 for ids in made),
        over=over,
        apart=apart,
        findings=len(audited.findings),
    )


async def _paid(shop: Shop, number: int) -> Sequence[str]:
    lamp, ada = await shop.lamp(on_hand=number * _UNITS), await shop.customer()
    return await _at_once([_buy(shop, ada, lamp) for _ in range(number)])


async def _buy(shop: Shop, ada: Shopper, lamp: str) -> str:
    order = await ada.order((lamp, _UNITS))
    payment = await shop.pay(ada, order["id"], Outcome.SUCCEEDS)
    await ada.becomes(order["id"], "paid")
    await shop.staff.ask("POST", f"/orders/{order['id']}/ship", HTTPStatus.OK, json=PARCEL)
    return str(payment["id"])


def _amount(choose: random.Random) -> Json:
    minor = choose.randint(_LEAST_MINOR, _MOST_MINOR)
    return {"amount": {"amount": f"{minor // 100}.{minor % 100:02}", "currency": "EUR"}}


async def _refund(shop: Shop, payment_id: str, amount: Json) -> set[str]:
    """Ask twice at once under one key; the answer is the ids of what is made or under way."""
    path, key = f"/payments/{payment_id}/refund", str(uuid4())
    answers = await asyncio.gather(
        *(shop.staff.ask("POST", path, HTTPStatus.CREATED, HTTPStatus.CONFLICT, json=amount, key=key) for _ in range(2))
    )
    return {str(answer.body["id"]) for answer in answers if answer.status == HTTPStatus.CREATED}


async def _at_once(asking: Sequence[Awaitable[Told]]) -> list[Told]:
    """Await all of them, so many at a time."""
    room = asyncio.Semaphore(_WORKERS)

    async def one(awaited: Awaitable[Told]) -> Told:
        async with room:
            return await awaited

    return await asyncio.gather(*map(one, asking))


async def _settled(system: System) -> tuple[int, int]:
    """What `_compare` finds once no refund is under way any more, or when the time for that is over."""
    until = time.monotonic() + _SETTLES_WITHIN
    while (found := _compare(system))[1] and time.monotonic() < until:  # noqa: ASYNC110 - other processes settle
        await asyncio.sleep(0.5)
    return found


def _compare(system: System) -> tuple[int, int]:
    """How many payments gave back more than they took, and of how many the books differ."""
    with psycopg.connect(sources_of(system).databases["payment"]) as connection:
        ours = {intent: sums for intent, *sums in connection.execute(_OURS)}
    with closing(sqlite3.connect(f"file:{sources_of(system).stand_in}?mode=ro", uri=True)) as records:
        charges = [json.loads(body) for (body,) in records.execute(_THEIRS)]
    theirs = {one["payment_intent"]: one["amount_refunded"] for one in charges if one["status"] == "succeeded"}
    over = sum(max(refunded, booked, theirs[intent]) > took for intent, (took, refunded, _, booked) in ours.items())
    apart = sum(
        len({refunded, booked, theirs[intent]}) > 1 or owed != 0 for intent, (_, refunded, owed, booked) in ours.items()
    )
    return over, apart
