"""The flash sale: far more customers than units, all at the same moment, and exactly the units are sold."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from services.local.chaos.books import Auditor
from services.local.chaos.history import Attempt, Outcome
from services.local.proofs.verdict import Verdict
from services.local.proofs.visiting import Crowd, visiting
from services.local.system import System

_MOST_ACCOUNTS = 200
_PATIENCE = 180.0
_SETTLES_WITHIN = 60.0
_LEVEL = """
SELECT on_hand, reserved, sum(on_hand_change)::bigint, sum(reserved_change)::bigint
FROM stock_level JOIN stock_entry USING (product_id) WHERE product_id = %s GROUP BY product_id
"""

Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Options:
    """How large it is. Accounts are used by several buyers; each buyer has a key of their own."""

    rounds: int = 20
    buyers: int = 1_000
    units: int = 100
    seed: int = 1


@dataclass(frozen=True, kw_only=True)
class Round:
    """What came of one sale: orders acknowledged, refusals for want of stock, anything else, and what stock says."""

    sold: int
    refused: int
    unclear: int
    level: tuple[int, ...]
    seconds: float

    def is_exact(self, options: Options) -> bool:
        """Whether every unit was sold once, the ledger agrees, and everybody else was told plainly."""
        units, everybody = options.units, options.buyers
        told = (self.sold, self.refused, self.unclear) == (units, everybody - units, 0)
        return told and self.level == (units, units, units, units)


@dataclass(frozen=True, kw_only=True)
class Result:
    """The rounds, and what the audit found in the end."""

    options: Options
    rounds: Sequence[Round]
    findings: int

    @property
    def verdict(self) -> Verdict:
        """The figure."""
        options, exact = self.options, sum(one.is_exact(self.options) for one in self.rounds)
        took = sum(one.seconds for one in self.rounds) / len(self.rounds)
        return Verdict(
            name=f"flash sale: {options.buyers:,} buyers, {options.units:,} units",
            target=f"{options.rounds} of {options.rounds} rounds exact",
            reached=f"{exact} of {options.rounds}, {took:.1f} s a round, {self.findings} findings of the audit",
            is_reached=exact == options.rounds and not self.findings,
        )


async def prove(system: System, options: Options, tell: Tell) -> Result:
    """Hold the sales in this system, one after another."""
    choose = Random(options.seed)  # noqa: S311 - it must be repeatable
    rounds = []
    accounts = min(options.buyers, _MOST_ACCOUNTS)
    tell(f"{accounts} customers make accounts")
    async with visiting(system, accounts=accounts, patience=_PATIENCE) as crowd:
        for number in range(1, options.rounds + 1):
            rounds.append(await _sale(crowd, options, number, choose))
            tell(f"round {number}: {rounds[-1].sold} sold, {rounds[-1].refused} refused, {rounds[-1].seconds:.1f} s")
        audited = await crowd.audited(within=_SETTLES_WITHIN)
    return Result(options=options, rounds=rounds, findings=len(audited.findings))


async def _sale(crowd: Crowd, options: Options, number: int, choose: Random) -> Round:
    product = await crowd.clerk.product(on_hand=options.units)
    buyers = choose.sample(range(options.buyers), options.buyers)
    began = time.monotonic()
    await asyncio.gather(*(_buy(crowd, number, buyer, product) for buyer in buyers))
    seconds = time.monotonic() - began
    last = {one.process: one for one in crowd.attempts() if one.process.startswith(f"round-{number}-")}
    return Round(
        sold=sum(one.outcome is Outcome.OK for one in last.values()),
        refused=sum(_is_plain(one) for one in last.values()),
        unclear=sum(one.outcome is not Outcome.OK and not _is_plain(one) for one in last.values()),
        level=Auditor(crowd.system).one("inventory", _LEVEL, product),
        seconds=seconds,
    )


async def _buy(crowd: Crowd, number: int, buyer: int, product: str) -> None:
    shopper = crowd.shoppers[buyer % len(crowd.shoppers)]
    await shopper.place(f"round-{number}-buyer-{buyer}", [(product, 1)])


def _is_plain(attempt: Attempt) -> bool:
    return attempt.outcome is Outcome.FAIL and attempt.told["error"] == "insufficient-stock"
