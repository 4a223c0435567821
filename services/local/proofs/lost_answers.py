"""Lost answers: the provider does what it is asked to and says nothing, and nobody is charged twice or for nothing."""

import asyncio
import json
import sqlite3
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from itertools import count

import aiohttp

from services.local.chaos.books import Auditor
from services.local.chaos.history import Outcome
from services.local.chaos.journeys import VISA
from services.local.proofs.verdict import Verdict
from services.local.proofs.visiting import Crowd, visiting
from services.local.system import System
from services.local.topology import LOOPBACK

_CLIENTS = 40
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
    """What came of it."""

    options: Options
    lost: int
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
        paid = f"{self.acknowledged:,} acknowledged, {self.lost:,} answers lost"
        return Verdict(
            name=name,
            target="0 charged twice, 0 paid and not charged, 0 unresolved",
            reached=", ".join((*(f"{value} {what}" for what, value in zeros.items()), paid)),
            is_reached=not any(zeros.values()) and self.acknowledged == options.payments and bool(self.lost),
        )


async def prove(system: System, options: Options, tell: Tell) -> Result:
    """Let customers of this system pay while the provider's answers are lost."""
    fault = {"match": "*", "kind": "drop_answer", "probability": options.share, "seed": options.seed}
    async with visiting(system, accounts=min(options.payments, _CLIENTS), patience=_PATIENCE) as crowd:
        product = await crowd.clerk.product(on_hand=options.payments)
        await _faults(system, "POST", fault)
        tell(f"{len(crowd.shoppers)} customers pay")
        numbers = count(1)
        await asyncio.gather(*(_pay(crowd, buyer, numbers, product, options) for buyer in range(len(crowd.shoppers))))
        lost = sum(told["struck"] for told in await _faults(system, "GET"))
        await _faults(system, "DELETE")
        tell("everything settles")
        audited = await crowd.audited(within=_SETTLES_WITHIN)
        return _counted(crowd, options, lost=lost, findings=len(audited.findings))


async def _pay(crowd: Crowd, buyer: int, numbers: "count[int]", product: str, options: Options) -> None:
    while (number := next(numbers)) <= options.payments:
        order = await crowd.shoppers[buyer].place(f"buyer-{number}", [(product, 1)])
        if order is not None:
            await crowd.shoppers[buyer].pay(f"buyer-{number}", order, VISA)


def _counted(crowd: Crowd, options: Options, *, lost: int, findings: int) -> Result:
    last = {one.process: one for one in crowd.attempts() if one.function == "pay"}
    acknowledged = [one for one in last.values() if one.outcome is Outcome.OK and one.told["status"] == "succeeded"]
    auditor, charges = Auditor(crowd.system), _charges(crowd.system)
    return Result(
        options=options,
        lost=lost,
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


async def _faults(system: System, method: str, body: object = None) -> list[dict[str, int]]:
    """Tell the provider's stand-in what goes wrong, or ask it."""
    url = f"http://{LOOPBACK}:{system.ports.stripe}/_stand-in/faults"
    async with aiohttp.ClientSession() as session, session.request(method, url, json=body) as answer:
        answer.raise_for_status()
        told: list[dict[str, int]] = json.loads(await answer.read() or b"[]")
        return told
