"""One run: customers come, things break, customers leave, everything settles, and then it is counted."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from services.local import audit, health
from services.local.chaos import customers, history, schedule
from services.local.chaos.books import OVERSOLD, Auditor, Books
from services.local.chaos.history import Attempt, Outcome
from services.local.chaos.load import Task
from services.local.chaos.schedule import Strike
from services.local.chaos.striking import Striker, Struck
from services.local.customer import place
from services.local.plan import Plan
from services.local.refusals import Refusal
from services.local.system import System

_LAST_CUSTOMER = 120.0
_SAMPLE_EVERY = 1.0
_POLL = 0.5

Tell = Callable[[str], None]


class NeverSettled(Refusal):
    """Processes that were killed have not come back."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a run is made, and where the clients' history goes.

    :param rate: journeys a second; half of what is measured when absent.
    :param settles_within: seconds that everything may take to converge once the customers have gone.
    :param quiet: seconds without strikes before the first and after the last.
    """

    plan: schedule.Plan
    history: Path
    rate: float | None = None
    settles_within: float = 180.0
    quiet: float = 10.0


@dataclass(kw_only=True)
class Samples:
    """Looks at the stock while everything happens: how many, and the most units that were oversold."""

    taken: int = 0
    oversold: int = 0


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of a run; times in seconds."""

    options: Options
    rate: float
    began: float
    seconds: float
    settled_after: float
    done: list[Struck]
    attempts: list[Attempt] = field(repr=False)
    samples: Samples
    books: Books
    audited: audit.Report


def acknowledged(attempts: Iterable[Attempt]) -> set[str]:
    """The ids of orders whose placing was acknowledged."""
    return {one.told["order_id"] for one in attempts if one.function == "place" and one.outcome is Outcome.OK}


async def run(system: System, options: Options, tell: Tell) -> Result:
    """Do it to this system.

    :raises CustomersGone: the customers could not prepare, or broke.
    :raises NeverSettled: a process did not come back.
    """
    plan = Plan(system.state, system.ports)
    strikes = schedule.drawn(options.plan, services=[app.app_id for app in plan.apps], relays=plan.databases)
    tell("customers make accounts and products")
    with customers.started(_task(system, options)) as crowd:
        rate = await asyncio.to_thread(crowd.ready)
        tell(f"{rate:.1f} journeys a second begin; {options.plan.kills} kills in about {strikes[-1].at:.0f} s")
        striker, began = Striker(system), time.time()
        crowd.begin()
        async with _sampled(system) as samples, striker.working():
            await _struck(striker, strikes, options.quiet, tell)
        tell("no more customers come")
        await asyncio.to_thread(crowd.end, within=_LAST_CUSTOMER)
    ended = time.time()
    attempts = await asyncio.to_thread(history.read, options.history)
    await _back(system)
    tell("everything settles")
    books = await _settled(Auditor(system), acknowledged(attempts), options.settles_within)
    tell("the audit looks for anything else")
    audited = await audit.until_clean(
        audit.sources_of(system, histories=[options.history]), within=options.settles_within
    )
    return Result(
        options=options,
        rate=rate,
        began=began,
        seconds=ended - began,
        settled_after=time.time() - ended,
        done=striker.done,
        attempts=attempts,
        samples=samples,
        books=books,
        audited=audited,
    )


def _task(system: System, options: Options) -> Task:
    where = place.at_offset(system.state, system.offset)
    return Task(
        base_url=where.base_url,
        operator_password=where.operator_password,
        history=str(options.history),
        seed=options.plan.seed,
        rate=options.rate,
    )


async def _struck(striker: Striker, strikes: Iterable[Strike], quiet: float, tell: Tell) -> None:
    """Every strike at its moment, whatever the others are at; a quiet while before and after."""
    began, kills = time.monotonic() + quiet, 0
    async with asyncio.TaskGroup() as group:
        for strike in strikes:
            await asyncio.sleep(max(0.0, began + strike.at - time.monotonic()))
            kills += strike.deed is schedule.Deed.KILL
            tell(f"{f'{kills:3}' if strike.deed is schedule.Deed.KILL else '   '} {strike}")
            group.create_task(striker.do(strike))
    await asyncio.sleep(quiet)


@contextlib.asynccontextmanager
async def _sampled(system: System) -> AsyncIterator[Samples]:
    """Look at the stock every second until the block ends; a database that is away is looked at later."""
    samples = Samples()
    url = Plan(system.state, system.ports).cluster.url("inventory")
    looking = asyncio.create_task(_look(url, samples))
    try:
        yield samples
    finally:
        looking.cancel()
        await asyncio.wait([looking])


async def _look(url: str, samples: Samples) -> None:
    while True:
        try:
            async with await psycopg.AsyncConnection.connect(url, autocommit=True, connect_timeout=2) as connection:
                while True:
                    row = await (await connection.execute(OVERSOLD)).fetchone()
                    samples.oversold = max(samples.oversold, row[0] if row else 0)
                    samples.taken += 1
                    await asyncio.sleep(_SAMPLE_EVERY)
        except psycopg.OperationalError:
            await asyncio.sleep(_SAMPLE_EVERY)


async def _back(system: System) -> None:
    """Wait until every process answers, and the gateway reaches everything."""

    async def all_answer() -> bool:
        probes = [process.probe for process in system.processes.values()]
        return all(await asyncio.gather(*(health.answers(one) for one in (*probes, f"{system.base_url}/readyz"))))

    if not await health.becomes_true(all_answer, within=_LAST_CUSTOMER):
        raise NeverSettled(f"Not every process has come back; see {system.state.logs}.")


async def _settled(auditor: Auditor, orders: set[str], within: float) -> Books:
    """The books as soon as everything in them is zero, or as they are when the time is up."""
    until = time.monotonic() + within
    while True:
        books = await asyncio.to_thread(auditor.books, orders)
        if books.is_zero or time.monotonic() > until:
            return books
        await asyncio.sleep(_POLL)
