"""Lost answers: the provider does what it is asked to and says nothing, and nobody is charged twice or for nothing.

A part of the answers is lost in another way: the provider breaks down once it has done its work, and gives that error
for the same key ever after. A charge that it hides is asked about. An intent that it hides is one that nobody can
confirm: the attempt ends as declined, and the customer tries again.
"""

import asyncio
import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import count

from services.local.chaos.books import Auditor
from services.local.chaos.history import Outcome
from services.local.chaos.journeys import VISA
from services.local.chaos.shoppers import Shopper
from services.local.proofs import faults
from services.local.proofs.verdict import Verdict
from services.local.proofs.visiting import Crowd, visiting
from services.local.system import System

_CLIENTS = 40
_TRIES = 10
_BROKEN = 0.25
"""The share of the lost answers in the place of which an error comes."""
_PATIENCE = 180.0
_SETTLES_WITHIN = 120.0
_PAID = "SELECT id::text FROM orders WHERE status = 'paid'"

Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Options:
    """How many payments, and the share of the provider's answers (0 to 1) that are lost after it has done its work."""

    payments: int = 2_000
    share: float = 0.3
    seed: int = 1


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of it; so many answers were `lost` without a word, so many were an error once all was done."""

    options: Options
    lost: int
    broken: int
    acknowledged: int
    charged_twice: int
    paid_uncharged: int
    unresolved: int
    findings: int

    @property
    def verdict(self) -> Verdict:
        """The figure."""
        options = self.options
        name = f"lost answers: {options.payments:,} payments, {options.share:.0%} lost"
        zeros = {
            "charged twice": self.charged_twice,
            "paid and not charged": self.paid_uncharged,
            "unresolved": self.unresolved,
            "findings of the audit": self.findings,
        }
        paid = f"{self.acknowledged:,} acknowledged, {self.lost:,} answers lost, {self.broken:,} errors in their place"
        return Verdict(
            name=name,
            target="0 charged twice, 0 paid and not charged, 0 unresolved",
            reached=", ".join((*(f"{value} {what}" for what, value in zeros.items()), paid)),
            is_reached=not any(zeros.values())
            and self.acknowledged == options.payments
            and min(self.lost, self.broken) > 0,
        )


async def prove(system: System, options: Options, tell: Tell) -> Result:
    """Let customers of this system pay while the provider's answers are lost."""
    async with visiting(system, accounts=min(options.payments, _CLIENTS), patience=_PATIENCE) as crowd:
        product = await crowd.clerk.product(on_hand=options.payments)
        tell(f"{len(crowd.shoppers)} customers pay")
        numbers = count(1)
        async with faults.striking(system, *_faults(options)) as struck:
            await asyncio.gather(
                *(_pay(crowd, buyer, numbers, product, options) for buyer in range(len(crowd.shoppers)))
            )
        tell("everything settles")
        audited = await crowd.audited(within=_SETTLES_WITHIN)
        return _counted(crowd, options, struck, findings=len(audited.findings))


def _faults(options: Options) -> tuple[faults.Fault, faults.Fault]:
    """Silence, and an error for a part of the calls that silence spares: together they strike the share asked for."""
    broken = options.share * _BROKEN
    silent = options.share - broken
    return (
        {"match": "*", "kind": "drop_answer", "probability": silent, "seed": options.seed},
        {"match": "*", "kind": "error_500_after", "probability": broken / (1 - silent), "seed": options.seed + 1},
    )


async def _pay(crowd: Crowd, buyer: int, numbers: "count[int]", product: str, options: Options) -> None:
    while (number := next(numbers)) <= options.payments:
        order = await crowd.shoppers[buyer].place(f"buyer-{number}", [(product, 1)])
        if order is not None:
            await _insist(crowd.shoppers[buyer], f"buyer-{number}", order)


async def _insist(shopper: Shopper, name: str, order: str) -> None:
    """Pay, and again when that is declined: the card is good, so it was the provider that broke down."""
    for _ in range(_TRIES):
        if await shopper.pay(name, order, VISA) is not None:
            return


def _counted(crowd: Crowd, options: Options, struck: Sequence[int], *, findings: int) -> Result:
    lost, broken = struck
    last = {one.process: one for one in crowd.attempts() if one.function == "pay"}
    acknowledged = [one for one in last.values() if one.outcome is Outcome.OK and one.told["status"] == "succeeded"]
    auditor, charges = Auditor(crowd.system), _charges(crowd.system)
    return Result(
        options=options,
        lost=lost,
        broken=broken,
        acknowledged=len(acknowledged),
        charged_twice=sum(number > 1 for number in charges.values()),
        paid_uncharged=len({str(row[0]) for row in auditor.rows("order", _PAID)} - set(charges)),
        unresolved=options.payments - len(acknowledged) + auditor.books(()).unfinished,
        findings=findings,
    )


def _charges(system: System) -> Counter[str]:
    """How often the provider has taken the money of an order."""
    with closing(
        sqlite3.connect(f"file:{system.state.data / 'stripe' / 'stripe.sqlite'}?mode=ro", uri=True)
    ) as records:
        bodies = [json.loads(row[0]) for row in records.execute("SELECT body FROM object WHERE kind = 'charge'")]
    return Counter(body["metadata"]["order_id"] for body in bodies if body["status"] == "succeeded")
