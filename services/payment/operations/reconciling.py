"""Reconciling: mirror the provider's balance, book fees and payouts, compare three ways, repair what is safe.

Every step is a transaction of its own and safe to repeat, so a run may die anywhere: the next one does what is left.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from services.payment.clients.provider import CallInvalid, OutcomeUnknown
from services.payment.domain.reconciliation import (
    MovementPage,
    NothingReconciled,
    ProviderUnreadable,
    ReconciliationRunning,
    Run,
)
from services.payment.operations import reconciling_repairs
from services.payment.operations.till import Till
from services.payment.store import comparing, movements
from services.payment.store import reconciliation as runs
from services.payment.store.reconciliation import Found
from services.shared.failpoints import failpoint

SHOWN = 100
"""How many differences of a class are told of with everything that is known; all of them are kept."""
_NEVER = timedelta(0)

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How often to reconcile, how much to read again, and how long a difference may come right by itself.

    Who asks for a run waits for it for `patience`.
    """

    every: timedelta
    overlap: timedelta
    grace: timedelta
    patience: timedelta


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the newest run compared, what differs, and what it repaired."""

    run: Run
    found: Found


class Reconciler:
    """Reconciles when it is time and when somebody asks; in all replicas together one run at a time."""

    def __init__(self, till: Till, pace: Pace) -> None:
        self._till = till
        self._pace = pace
        self._asked: set[asyncio.Task[None]] = set()

    async def when_due(self) -> None:
        """Reconcile, unless that was done lately, is just being done or cannot be done."""
        try:
            await reconcile(self._till, self._pace, not_within=self._pace.every)
        except ReconciliationRunning:
            return
        except ProviderUnreadable:
            log.warning("reconciliation.provider_away")

    async def now(self) -> bool:
        """Reconcile; False when it takes longer than who asks should wait, and goes on by itself.

        :raises ReconciliationRunning: that is being done already.
        :raises ProviderUnreadable: the provider does not answer.
        """
        task = asyncio.create_task(_whole(reconcile(self._till, self._pace, not_within=_NEVER)))
        self._asked.add(task)
        done, _ = await asyncio.wait({task}, timeout=self._pace.patience.total_seconds())
        if not done:
            task.add_done_callback(self._tell)
            return False
        self._asked.discard(task)
        task.result()
        return True

    def _tell(self, task: asyncio.Task[None]) -> None:
        self._asked.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("reconciliation.failed", exc_info=error)

    async def close(self) -> None:
        """End what is still running; the next run does what is left."""
        for task in self._asked:
            task.cancel()
        await asyncio.gather(*self._asked, return_exceptions=True)


@asynccontextmanager
async def opened(till: Till, pace: Pace) -> AsyncIterator[Reconciler]:
    """A reconciler for as long as the service lives."""
    reconciler = Reconciler(till, pace)
    try:
        yield reconciler
    finally:
        await reconciler.close()


async def _whole(running: Coroutine[None, None, int | None]) -> None:
    await running


async def reconcile(till: Till, pace: Pace, *, not_within: timedelta) -> int | None:
    """Run once; answers the run, or None when one began within this time.

    :raises ReconciliationRunning: a replica does that already.
    :raises ProviderUnreadable: the provider does not answer; the run is kept as failed.
    """
    async with runs.alone(till.database.engine) as is_alone:
        if not is_alone:
            raise ReconciliationRunning
        async with till.database.begin() as session:
            run_id = await runs.begin(session, not_within=not_within, now=till.clock())
        if run_id is None:
            return None
        try:
            await _run(till, pace, run_id)
        except (OutcomeUnknown, CallInvalid) as error:
            async with till.database.begin() as session:
                await runs.fail(session, run_id, now=till.clock())
            raise ProviderUnreadable from error
        return run_id


async def _run(till: Till, pace: Pace, run_id: int) -> None:
    await _mirror(till, pace, run_id)
    failpoint("reconciliation.mirrored.before_booked")
    await _book(till)
    failpoint("reconciliation.booked.before_compared")
    await _compare(till, pace, run_id)
    failpoint("reconciliation.compared.before_repaired")
    if await reconciling_repairs.repair_all(till):
        failpoint("reconciliation.repaired.before_compared")
        await _compare(till, pace, run_id)
    await _end(till, run_id)


async def _mirror(till: Till, pace: Pace, run_id: int) -> None:
    async with till.database.begin() as session:
        newest = await runs.mirrored_to(session)
    since = newest - pace.overlap if newest is not None else None
    page = await till.provider.list_movements(since=since)
    await _keep(till, page)
    while page.after is not None:
        failpoint("reconciliation.page_mirrored.before_next")
        page = await till.provider.list_movements(since=since, after=page.after)
        await _keep(till, page)
    async with till.database.begin() as session:
        await runs.keep_period(session, run_id, since=since)


async def _keep(till: Till, page: MovementPage) -> None:
    async with till.database.begin() as session:
        await movements.keep(session, page.movements, now=till.clock())


async def _book(till: Till) -> None:
    while True:
        async with till.database.begin() as session:
            looked_at = await movements.book_some(session, now=till.clock())
        if not looked_at:
            return


async def _compare(till: Till, pace: Pace, run_id: int) -> None:
    now = till.clock()
    async with till.database.begin() as session:
        await comparing.compare(session, run_id, young=now - pace.grace, now=now)


async def _end(till: Till, run_id: int) -> None:
    async with till.database.begin() as session:
        for new in await runs.list_new(session, run_id, most=SHOWN):
            log.error("reconciliation.differs", difference=new.difference, subject=new.subject, id=new.subject_id)
        await runs.end(session, run_id, now=till.clock())


async def latest(session: AsyncSession) -> Report:
    """The newest complete run with what differs since and what it repaired.

    :raises NothingReconciled: there is none.
    """
    run = await runs.find_latest(session)
    if run is None:
        raise NothingReconciled
    return Report(run=run, found=await runs.found_by(session, run.id, most=SHOWN))
