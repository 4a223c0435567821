"""The lost database server: its process and its disk go while customers shop, and every acknowledged order stays.

Beforehand there are a base backup and a synchronous receiver of the write-ahead log. A commit that the receiver has not
got may be lost: nobody was told of it, and whoever asks again with the same key is served from the start.
"""

import asyncio
import shutil
import signal
import time
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from random import Random

from services.local import health, processes
from services.local.backups import Backups
from services.local.chaos.books import Auditor
from services.local.chaos.history import Attempt
from services.local.chaos.journeys import Journey, play
from services.local.chaos.run import acknowledged
from services.local.chaos.shoppers import several
from services.local.chaos.striking import family, sent
from services.local.chaos.watching import everything_answers
from services.local.plan import Plan
from services.local.proofs import projections
from services.local.proofs.clocks import Clocks
from services.local.proofs.projections import Rebuilt
from services.local.proofs.verdict import Verdict
from services.local.proofs.visiting import Crowd, visiting
from services.local.refusals import Refusal
from services.local.system import System

_SERVER = "postgres"
_AT_ONCE = 8
_MOST_ACCOUNTS = 20
_PRODUCTS = 12
_STOCK = 10_000
_PATIENCE = 240.0
_SYNCHRONOUS_WITHIN = 30.0
_ENDS_WITHIN = 30.0
_BACK_WITHIN = 180.0
_SETTLES_WITHIN = 180.0

Tell = Callable[[str], None]


class NeverHappened(Refusal):
    """What the drill waits for has not happened."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How many customers come; the server is lost when half of them have."""

    journeys: int = 400
    seed: int = 1


@dataclass(frozen=True, kw_only=True)
class Orders:
    """Orders that were acknowledged before the loss, those that only were afterwards, and those that are not there."""

    before: int
    after: int
    lost: int

    @classmethod
    def counted(cls, attempts: Sequence[Attempt], *, lost_at: float, existing: set[str]) -> "Orders":
        """Count what customers were told against what is there now.

        :param lost_at: when the server was lost, by the clock of the histories.
        :param existing: the ids of the orders that are there.
        """
        early = acknowledged(one for one in attempts if one.ended is not None and one.ended < lost_at)
        told = acknowledged(attempts)
        return cls(before=len(early), after=len(told - early), lost=len(told - existing))


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of it.

    :param seconds: from the loss until everything answered again.
    """

    options: Options
    orders: Orders
    findings: int
    rebuilt: Rebuilt
    seconds: float

    @property
    def verdict(self) -> Verdict:
        """The figure. Orders on one side of the loss alone would prove nothing."""
        orders, rebuilt = self.orders, self.rebuilt
        is_whole = orders.lost == 0 and self.findings == 0 and rebuilt.is_equal
        return Verdict(
            name=f"lost database server: {self.options.journeys:,} customers",
            target="0 lost, 0 findings, every document rebuilt equal",
            reached=(
                f"{orders.before:,} orders acknowledged before the loss, {orders.after:,} after it, {orders.lost} lost,"
                f" {self.findings} findings of the audit, {rebuilt.told}, everything answers after {self.seconds:.1f} s"
            ),
            is_reached=is_whole and orders.before > 0 and orders.after > 0,
        )


async def prove(system: System, options: Options, tell: Tell) -> Result:
    """Lose and restore the server of this system. Its backups are kept when something went wrong.

    :raises NeverHappened: the receiver does not receive, or the system does not come back.
    """
    backups = Backups(Plan(system.state, system.ports).cluster)
    async with visiting(system, accounts=min(options.journeys, _MOST_ACCOUNTS), patience=_PATIENCE) as crowd:
        lost_at, seconds = await _drill(crowd, backups, options, tell)
        tell("the audit rebuilds everything from its facts")
        audited = await crowd.audited(within=_SETTLES_WITHIN, rebuilds=True)
        attempts = crowd.attempts()
    tell("the documents are deleted, and every fact is published again")
    await asyncio.to_thread(Clocks(system).hurry)  # letters that were being sent when the server was lost wait minutes
    rebuilt = await projections.rebuilt(system, within=_SETTLES_WITHIN)
    result = Result(
        options=options,
        orders=Orders.counted(attempts, lost_at=lost_at, existing=_existing(system)),
        findings=len(audited.findings),
        rebuilt=rebuilt,
        seconds=seconds,
    )
    if result.verdict.is_reached:
        backups.remove()
    return result


def _existing(system: System) -> set[str]:
    return {str(row[0]) for row in Auditor(system).rows("order", "SELECT id::text FROM orders")}


async def _drill(crowd: Crowd, backups: Backups, options: Options, tell: Tell) -> tuple[float, float]:
    """Customers come, and half-way the server is lost and restored; when that was, and how many seconds it took."""
    products = await several(_PRODUCTS, lambda: crowd.clerk.product(on_hand=_STOCK))
    tell("a base backup is taken and verified, a synchronous receiver is there")
    async with _secured(crowd.system, backups) as receiver, asyncio.TaskGroup() as group:
        half = asyncio.Event()
        journeys = _journeys(crowd, products, options, half)
        shopping = [group.create_task(_shop(journeys)) for _ in range(_AT_ONCE)]
        tell(f"{options.journeys:,} customers come")
        await half.wait()
        lost_at, began = await _lost(crowd.system, backups, receiver), time.monotonic()
        tell("the server and its data are gone")
        await asyncio.to_thread(backups.restore)
        await _back(crowd.system, backups)
        seconds = time.monotonic() - began
        tell(f"everything answers again after {seconds:.1f} s; the customers get what they asked for")
        await asyncio.gather(*shopping)
    return lost_at, seconds


@asynccontextmanager
async def _secured(system: System, backups: Backups) -> AsyncIterator[Process]:
    """With a base backup, and a receiver without which no commit is acknowledged."""
    await asyncio.to_thread(backups.prepare)
    spec = backups.receiver()
    receiver = await processes.spawn(spec, system.state.log(spec.name))
    try:
        await asyncio.to_thread(backups.require_receiver)
        await _becomes("the receiver being synchronous", partial(asyncio.to_thread, backups.is_synchronous))
        await asyncio.to_thread(backups.take)
        yield receiver
    finally:
        await processes.stop(receiver, spec)


async def _becomes(what: str, check: Callable[[], Awaitable[bool]], *, within: float = _SYNCHRONOUS_WITHIN) -> None:
    if not await health.becomes_true(check, within=within):
        raise NeverHappened(f"{what} has not happened within {within:.0f} s.")


def _journeys(crowd: Crowd, products: list[str], options: Options, half: asyncio.Event) -> Iterator[Journey]:
    """One after another, as customers come; tells when half of them have."""
    choose = Random(options.seed)  # noqa: S311 - it must be repeatable
    for number in range(options.journeys):
        if number == options.journeys // 2:
            half.set()
        yield Journey(
            name=f"customer-{number + 1}",
            shopper=crowd.shoppers[number % len(crowd.shoppers)],
            clerk=crowd.clerk,
            lines=[
                (product, choose.choice((1, 1, 2))) for product in choose.sample(products, choose.choice((1, 1, 2)))
            ],
            choose=Random(choose.random()),  # noqa: S311 - the same
        )


async def _shop(journeys: Iterator[Journey]) -> None:
    """Go one way after another, as long as there are any that nobody else goes."""
    for journey in journeys:
        await play(journey)


async def _lost(system: System, backups: Backups, receiver: Process) -> float:
    """Lose the server while the receiver is there, and then let that end; when it was, by the clock of the histories.

    :raises NeverHappened: the receiver went first, so the drill would prove nothing, or it does not end.
    """
    if not await asyncio.to_thread(backups.is_synchronous):
        raise NeverHappened(f"The receiver is not there any more; see {system.state.logs}.")
    lost_at = time.time()
    await asyncio.to_thread(_destroy, system, backups)
    try:
        async with asyncio.timeout(_ENDS_WITHIN):
            await receiver.wait()
    except TimeoutError:
        raise NeverHappened("The receiver does not end with the server.") from None
    return lost_at


def _destroy(system: System, backups: Backups) -> None:
    """Kill the server with all that it has started, and delete its data: at once, before it is started again."""
    server = system.processes[_SERVER].process()
    for process in family(server) if server else ():
        sent(process, signal.SIGKILL)
    cluster = backups.cluster
    shutil.rmtree(cluster.data.rename(cluster.folder / "lost"))


async def _back(system: System, backups: Backups) -> None:
    """Wait until the server has replayed its log, and everything answers."""
    ready = partial(asyncio.to_thread, backups.cluster.is_ready)
    await _becomes("the server being restored", ready, within=_BACK_WITHIN)
    await asyncio.to_thread(backups.end_recovery)
    await _becomes("everything answering again", partial(everything_answers, system), within=_BACK_WITHIN)
