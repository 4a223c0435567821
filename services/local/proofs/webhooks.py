"""Webhook permutations: the events of a payment's life arrive in every order and more than once, and make one ledger.

The payment service's own operations work on a database of their own, against the provider's double. The answers of the
provider are lost, so the events carry news; none arrives before what it tells of has happened there.
"""

import asyncio
import itertools
import math
import random
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TypeVar

import psycopg
import stripe
from psycopg.rows import TupleRow

from services.local.proofs.lives import SCRIPTS, Entry, Life, Script
from services.local.proofs.verdict import Verdict
from services.payment.clients.provider_double import Fault, ProviderDouble
from services.payment.operations import hearing
from services.payment.operations.till import Till
from services.shared.database import Database
from services.shared.runtime import utc_now
from services.shared.sidecar_double import SidecarDouble

_SECRET = "whsec_permutations"  # noqa: S105 - of a database that lives as long as the proof
_BATCH = 720
_WORKERS = 8
_LATER = timedelta(seconds=5)
_LEDGER = """
SELECT order_id::text, kind, account, amount_minor
FROM ledger_transaction JOIN ledger_entry ON transaction_id = id WHERE order_id = ANY(%s)
"""
_FACTS = "SELECT aggregate_id::text, type FROM outbox WHERE aggregate_id = ANY(%s) ORDER BY id"
_UNHEARD = "SELECT object_id, type FROM webhook_event WHERE processed_at IS NULL"

Tell = Callable[[str], None]
Item = TypeVar("Item")


@dataclass(frozen=True, kw_only=True)
class Options:
    """How many orders of each script's events, and with each how many choices of what comes again.

    With six events 720 orders and 64 choices are all.
    """

    orders: int = 720
    choices: int = 8
    seed: int = 1


@dataclass(kw_only=True)
class Result:
    """What came of it: of each script's orders and duplications, how many of how many were tried; what was wrong."""

    orders: dict[str, tuple[int, int]] = field(default_factory=dict)
    duplications: dict[str, tuple[int, int]] = field(default_factory=dict)
    lives: int = 0
    deliveries: int = 0
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0

    @property
    def verdict(self) -> Verdict:
        """The figure."""
        orders = ", ".join(f"{_of(self.orders[name])} orders {name} with {self._tried(name)}" for name in self.orders)
        reached = f"{orders}; {self.lives:,} lives, {self.deliveries:,} deliveries, {len(self.wrong)} other ledgers"
        return Verdict(
            name="webhook permutations",
            target=f"{_all_or_some(self.orders)} order, {_all_or_some(self.duplications)} duplication: one ledger",
            reached=f"{reached} in {self.seconds:,.0f} s",
            is_reached=bool(self.lives) and not self.wrong,
        )

    def _tried(self, name: str) -> str:
        return f"{_of(self.duplications[name])} duplications"


async def prove(url: str, options: Options, tell: Tell) -> Result:
    """Live every life in a migrated payment database.

    :param url: `postgresql://user:password@host:port/name`.
    """
    began, result = time.monotonic(), Result()
    database, numbers = Database(url), itertools.count(1)
    try:
        for script in SCRIPTS:
            for batch in _batches(_lives(script, options)):
                await _Run(database, script, batch, result, numbers).run()
                tell(f"{script.name}: {result.lives:,} lives, {len(result.wrong)} other ledgers")
            orders, duplications = math.factorial(len(script.stages)), 2 ** len(script.stages)
            result.orders[script.name] = min(options.orders, orders), orders
            result.duplications[script.name] = min(options.choices, duplications), duplications
    finally:
        await database.close()
    result.seconds = time.monotonic() - began
    return result


def _lives(script: Script, options: Options) -> Iterator[Life]:
    choose = random.Random(options.seed)  # noqa: S311 - which lives are lived, not a secret
    events = sorted(script.stages)
    subsets = [frozenset(itertools.compress(events, mask)) for mask in itertools.product((0, 1), repeat=len(events))]
    orders = list(itertools.permutations(events))
    for order in choose.sample(orders, min(options.orders, len(orders))):
        for again in choose.sample(subsets, min(options.choices, len(subsets))):
            yield Life(script=script, order=order, again=again)


def _of(tried: tuple[int, int]) -> str:
    return "{} of {}".format(*tried)


def _all_or_some(tried: Mapping[str, tuple[int, int]]) -> str:
    return "every" if all(some == every for some, every in tried.values()) else "some"


def _batches(lives: Iterator[Life]) -> Iterator[list[Life]]:
    while batch := list(itertools.islice(lives, _BATCH)):
        yield batch


class _Run:
    """So many lives at once: what happens to each is its own, when it happens is everybody's."""

    def __init__(
        self, database: Database, script: Script, lives: Sequence[Life], result: Result, numbers: "itertools.count[int]"
    ) -> None:
        self._script, self._lives, self._result = script, lives, result
        self._provider = ProviderDouble()
        self._provider.numbers = numbers
        self._till = Till(
            database=database,
            provider=self._provider,
            sidecar=SidecarDouble(),
            clock=utc_now,
            webhook_secret=_SECRET,
        )

    async def run(self) -> None:
        """Every event of every order in its place, then those that come once more; nothing is left to be done then."""
        for place in range(len(self._script.stages)):
            for stage in range(1, len(self._script.steps) + 1):
                await self._advance([life for life in self._lives if self._is_due(life, stage, place)], stage)
            await self._hear([(life, life.order[place], 0) for life in self._lives])
            await self._hear([(life, kind, 0) for life in self._lives if (kind := life.order[place]) in life.again])
        await self._hear([(life, kind, 1) for life in self._lives for kind in sorted(life.again)])
        self._result.lives += len(self._lives)
        await self._check()

    def _is_due(self, life: Life, stage: int, place: int) -> bool:
        return life.stage < stage <= self._script.stages[life.order[place]]

    async def _advance(self, lives: Sequence[Life], stage: int) -> None:
        step, lost = self._script.steps[stage - 1], self._script.lost[stage - 1]
        if lost is not None:
            self._provider.go_wrong(lost, Fault.DROP_ANSWER, len(lives))
        await _each(lives, lambda life: step(self._till, self._provider, life))
        for life in lives:
            life.stage = stage

    async def _hear(self, told: Sequence[tuple[Life, str, int]]) -> None:
        await _each(told, lambda one: self._deliver(one[0].letter(one[1], copy=one[2])))
        self._result.deliveries += len(told)
        await _each(range(_WORKERS), lambda _: self._act())

    async def _deliver(self, letter: bytes) -> None:
        signature = stripe.WebhookSignature.generate_signature_header(letter.decode(), _SECRET, int(time.time()))
        await hearing.hear(self._till, letter, signature, at=utc_now())

    async def _act(self) -> None:
        while await hearing.act_on_one(self._till, at=utc_now() + _LATER):
            continue

    async def _check(self) -> None:
        url, by_order = self._till.database.url, {str(life.order_id): life for life in self._lives}
        by_payment = {str(life.payment_id): life for life in self._lives}
        async with await psycopg.AsyncConnection.connect(url) as connection:
            booked = _grouped(await (await connection.execute(_LEDGER, [list(by_order)])).fetchall())
            told = _grouped(await (await connection.execute(_FACTS, [list(by_payment)])).fetchall())
            unheard = await (await connection.execute(_UNHEARD)).fetchall()
        for life in self._lives:
            self._judge(life, booked.get(str(life.order_id), []), told.get(str(life.payment_id), []))
        self._result.wrong += [f"{kind} of {about} was never acted on" for about, kind in unheard]

    def _judge(self, life: Life, booked: Sequence[Entry], told: Sequence[tuple[str]]) -> None:
        facts = [fact for (fact,) in told]
        if sorted(booked) != sorted(self._script.ledger):
            self._result.wrong.append(f"{life}: booked {sorted(booked)}")
        if facts != list(self._script.facts):
            self._result.wrong.append(f"{life}: told {facts}")


def _grouped(rows: Sequence[TupleRow]) -> dict[str, list[TupleRow]]:
    found: dict[str, list[TupleRow]] = {}
    for key, *row in rows:
        found.setdefault(key, []).append(tuple(row))
    return found


async def _each(items: Sequence[Item], do: Callable[[Item], Awaitable[None]]) -> None:
    """Do it for every item, a few at a time."""
    waiting = iter(items)

    async def work() -> None:
        for item in waiting:
            await do(item)

    await asyncio.gather(*(work() for _ in range(_WORKERS)))
