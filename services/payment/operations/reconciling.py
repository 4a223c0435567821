"""Reconciling: mirror the provider's balance, book fees and payouts, compare three ways, repair what is safe.

Every step is a transaction of its own and safe to repeat, so a run may die anywhere: the next one does what is left.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

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
from services.payment.store.reconciliation import Found, Place
from services.shared.failpoints import failpoint

KEPT = timedelta(days=30)
"""For how long runs and resolved differences are kept."""
SHOWN = 100
"""How many differences of a class are told of with everything that is known; all of them are kept."""
_NEVER = timedelta(0)

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How often to reconcile, how much to look at again, and how long a difference may come right by itself.

    A run compares what changed since the one before, `overlap` included, and every `whole` everything. Who asks for a
    run waits for it for `patience`.
    """

    every: timedelta
    whole: timedelta
    overlap: timedelta
    grace: timedelta
    patience: timedelta


@dataclass(frozen=True, kw_only=True)
class Report:
    """What the newest complete run compared, what differs, and what it repaired; `newest` is the one begun last."""

    run: Run
    newest: Run
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
        """Reconcile everything; False when it takes longer than who asks should wait, and goes on by itself.

        :raises ReconciliationRunning: that is being done already.
        :raises ProviderUnreadable: the provider does not answer.
        """
        task = asyncio.create_task(_whole(reconcile(self._till, replace(self._pace, whole=_NEVER), not_within=_NEVER)))
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
    :raises ProviderUnreadable: the provider does not answer.
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
            await _fail(till, run_id)
            raise ProviderUnreadable from error
        except Exception:
            await _fail(till, run_id)
            raise
        return run_id


async def _fail(till: Till, run_id: int) -> None:
    async with till.database.begin() as session:
        await runs.fail(session, run_id, now=till.clock())


async def _run(till: Till, pace: Pace, run_id: int) -> None:
    await _mirror(till, pace, run_id)
    failpoint("reconciliation.mirrored.before_booked")
    await _book(till)
    failpoint("reconciliation.booked.before_compared")
    since = await _since(till, pace)
    await _compare(till, pace, run_id, since)
    failpoint("reconciliation.compared.before_repaired")
    if await reconciling_repairs.repair_all(till):
        failpoint("reconciliation.repaired.before_compared")
        await _compare(till, pace, run_id, since)
    await _end(till, run_id)


async def _mirror(till: Till, pace: Pace, run_id: int) -> None:
    """Read on where a run failed, so that a long list needs not be read at a stretch; then what is new."""
    async with till.database.begin() as session:
        await runs.forget_lost(session)
        left = await runs.find_place(session)
    if left is not None:
        await _list(till, run_id, left)
    async with till.database.begin() as session:
        newest = await runs.mirrored_to(session)
    await _list(till, run_id, Place(since=newest - pace.overlap if newest is not None else None, after=None))


async def _list(till: Till, run_id: int, place: Place) -> None:
    """Mirror the list from a place to its end; one that the provider refuses to read on is read from the beginning."""
    while True:
        try:
            page = await till.provider.list_movements(since=place.since, after=place.after)
        except CallInvalid:
            async with till.database.begin() as session:
                await runs.forget_places(session)
            raise
        place = replace(place, after=page.after)
        await _keep(till, run_id, page, place)
        if place.after is None:
            return
        failpoint("reconciliation.page_mirrored.before_next")


async def _keep(till: Till, run_id: int, page: MovementPage, place: Place) -> None:
    async with till.database.begin() as session:
        await movements.keep(session, page.movements, now=till.clock())
        if place.after is not None:
            await runs.keep_place(session, run_id, place)
        else:
            await runs.forget_places(session)
            await runs.keep_period(session, run_id, since=place.since)


async def _book(till: Till) -> None:
    while True:
        async with till.database.begin() as session:
            looked_at = await movements.book_some(session, now=till.clock())
        if not looked_at:
            return


async def _since(till: Till, pace: Pace) -> datetime | None:
    """Since when changes are to be compared; None when it is time to compare everything."""
    async with till.database.begin() as session:
        before = await runs.compared_at(session, whole_since=till.clock() - pace.whole)
    return before - pace.overlap if before is not None else None


async def _compare(till: Till, pace: Pace, run_id: int, since: datetime | None) -> None:
    now = till.clock()
    async with till.database.begin() as session:
        await comparing.compare(session, run_id, since=since, young=now - pace.grace, now=now)


async def _end(till: Till, run_id: int) -> None:
    now = till.clock()
    async with till.database.begin() as session:
        for new in await runs.list_new(session, run_id, most=SHOWN):
            log.error("reconciliation.differs", difference=new.difference, subject=new.subject, id=new.subject_id)
        await runs.end(session, run_id, now=now)
        await runs.prune(session, before=now - KEPT)


async def latest(session: AsyncSession) -> Report:
    """The newest complete run with what differs since and what it repaired.

    :raises NothingReconciled: there is none.
    """
    run, newest = await runs.find_latest(session), await runs.find_newest(session)
    if run is None or newest is None:
        raise NothingReconciled
    return Report(run=run, newest=newest, found=await runs.found_by(session, run.id, most=SHOWN))
