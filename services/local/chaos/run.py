"""One run: customers come, things break, customers leave, everything settles, and then it is counted."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from services.local import audit, health
from services.local.chaos import customers, history, sampling, schedule
from services.local.chaos.books import Auditor, Books
from services.local.chaos.history import Attempt, Following, Outcome
from services.local.chaos.load import Task
from services.local.chaos.sampling import Samples
from services.local.chaos.schedule import Deed, Strike
from services.local.chaos.striking import Striker, Struck
from services.local.chaos.watching import Watch, everything_answers
from services.local.customer import place
from services.local.plan import Plan
from services.local.refusals import Refusal
from services.local.system import System

_LAST_CUSTOMER = 120.0
_POLL = 0.5

Tell = Callable[[str], None]
Do = Callable[[Strike], Coroutine[Any, Any, None]]


class NeverSettled(Refusal):
    """Processes that were killed have not come back."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """How a run is made, and where the clients' history goes.

    :param rate: journeys a second; half of what is measured when absent.
    :param settles_within: seconds that everything may take to converge once the customers have gone.
    :param quiet: seconds without strikes before the first, and in the end when the shop should serve again.
    """

    plan: schedule.Plan
    history: Path
    rate: float | None = None
    settles_within: float = 180.0
    quiet: float = 10.0


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of a run; times in seconds.

    :param quiet_since: when the quiet seconds in the end began.
    :param machine_load: the machine's load average of a minute, before the first customer came and after the last.
    """

    options: Options
    rate: float
    began: float
    seconds: float
    quiet_since: float
    settled_after: float
    machine_load: tuple[float, float]
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
    alone = [one for one in strikes if one.alone]
    tell("customers make accounts and products")
    with customers.started(_task(system, options)) as crowd:
        rate = await asyncio.to_thread(crowd.ready)
        tell(f"{rate:.1f} journeys a second begin; {options.plan.kills} kills, the first {len(alone)} alone")
        striker, samples, began, load = Striker(system), Samples(), time.time(), os.getloadavg()[0]
        watch = Watch(following=Following(options.history), everything_answers=partial(everything_answers, system))
        crowd.begin()
        async with asyncio.TaskGroup() as group:
            looking = group.create_task(sampling.look(plan.cluster.url("inventory"), samples))
            await asyncio.sleep(options.quiet)
            async with striker.working():
                await strike_alone(alone, striker.do, watch.serves_again, tell)
                await _strike_at_random(strikes[len(alone) :], striker.do, tell, kills=len(alone))
            await watch.serves_again(time.time())
            quiet_since = time.time()
            await asyncio.sleep(options.quiet)
            looking.cancel()
        tell("no more customers come")
        await asyncio.to_thread(crowd.end, within=_LAST_CUSTOMER)
    ended, loads = time.time(), (load, os.getloadavg()[0])
    attempts = await asyncio.to_thread(history.read, options.history)
    await _back(system)
    tell("everything settles")
    books = await _settled(Auditor(system), acknowledged(attempts), options.settles_within)
    tell("the audit looks for anything else")
    audited = await audit.until_clean(
        audit.sources_of(system, histories=[options.history]), within=options.settles_within, rebuilds=True
    )
    return Result(
        options=options,
        rate=rate,
        began=began,
        seconds=ended - began,
        quiet_since=quiet_since,
        machine_load=loads,
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


async def strike_alone(
    strikes: Iterable[Strike], do: Do, serves_again: Callable[[float], Awaitable[bool]], tell: Tell
) -> None:
    """One strike after another, each when the shop serves again after the one before, or does not for too long."""
    for number, strike in enumerate(strikes, start=1):
        tell(f"{number:3} {strike}, alone")
        await do(strike)
        if not await serves_again(time.time()):
            tell(f"    the shop does not serve again after {strike}")


async def _strike_at_random(strikes: Iterable[Strike], do: Do, tell: Tell, *, kills: int) -> None:
    """Every strike at its moment, whatever the others are at; so many kills came before."""
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for strike in strikes:
            await asyncio.sleep(max(0.0, began + strike.at - time.monotonic()))
            kills += strike.deed is Deed.KILL
            tell(f"{f'{kills:3}' if strike.deed is Deed.KILL else '   '} {strike}")
            group.create_task(do(strike))


async def _back(system: System) -> None:
    """Wait until every process answers, and the gateway reaches everything."""
    if not await health.becomes_true(partial(everything_answers, system), within=_LAST_CUSTOMER):
        raise NeverSettled(f"Not every process has come back; see {system.state.logs}.")


async def _settled(auditor: Auditor, orders: set[str], within: float) -> Books:
    """The books as soon as everything in them is zero, or as they are when the time is up."""
    until = time.monotonic() + within
    while True:
        books = await asyncio.to_thread(auditor.books, orders)
        if books.is_zero or time.monotonic() > until:
            return books
        await asyncio.sleep(_POLL)
