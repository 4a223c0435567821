"""Repairing what a reconciliation found, where that is safe: by the roads that answers and webhooks take too."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from uuid import UUID, uuid5

import structlog

from services.payment.domain.intents import IntentStatus, RefundStatus
from services.payment.domain.reconciliation import Repairable, Subject
from services.payment.operations import disputing, recording, returning, settling
from services.payment.operations.till import Till
from services.payment.store import payments, reconciliation, refunds
from services.payment.store.leases import LEASE
from services.payment.store.refunds import Planned
from services.shared.failpoints import failpoint

AT_THE_PROVIDER = "refunded-at-provider"
"""Why money went back that nobody here was asked for."""

log = structlog.get_logger()


async def repair_all(till: Till) -> bool:
    """Repair every open difference that can be; answers whether there were any. One that fails blocks no other."""
    tried: Repairable | None = None
    while True:
        async with till.database.begin() as session:
            found = await reconciliation.take_repairable(session, after=tried, now=till.clock())
        if found is None:
            return tried is not None
        await _repair(till, found)
        tried = found


async def _repair(till: Till, found: Repairable) -> None:
    try:
        await _REPAIRS[found.subject](till, found, till.clock())
    except Exception as error:
        log.exception("reconciliation.not_repaired", id=found.subject_id, error=type(error).__name__)


async def _take_missed_payment(till: Till, found: Repairable, at: datetime) -> None:
    """The provider has the money, all of it: an attempt that awaits it gets it, else the payment does."""
    intent = await till.provider.retrieve(found.reference)
    if intent.status is not IntentStatus.SUCCEEDED or intent.received_minor != found.provider_minor:
        log.error("reconciliation.intent_differs", intent_id=intent.id, status=intent.status)
        return
    async with till.database.begin() as session:
        kept = await payments.keep_intent(session, found.payment_id, intent.id, at=at)
    if kept == intent.id and not await settling.settle(till, found.payment_id, at=at):
        await recording.record_missed(till, found.payment_id, intent, at=at)


async def _take_missed_refund(till: Till, found: Repairable, at: datetime) -> None:
    """What became of a refund is recorded; one that was made at the provider by hand becomes one of ours first.

    Nothing is left of one by hand that has failed since: its money is back.
    """
    made = await till.provider.retrieve_refund(found.reference)
    if found.refund_id is None and made.status is RefundStatus.FAILED:
        return
    refund_id = found.refund_id or await _adopt(till, found, at)
    failpoint("reconciliation.adopted.before_recorded")
    await returning.record(till, refund_id, made, at=at)


async def _adopt(till: Till, found: Repairable, at: datetime) -> UUID:
    """Keep the refund with the provider's reference in one step: a pending one without it would be made once more.

    One that another run has kept stays as it is: what was recorded of it would be recorded once more.
    """
    refund_id, due_at = uuid5(found.payment_id, found.reference), at + LEASE
    planned = Planned(id=refund_id, amount_minor=-found.provider_minor, reason=AT_THE_PROVIDER, due_at=due_at, at=at)
    async with till.database.begin() as session:
        payment, _ = await payments.lock(session, found.payment_id)
        if await refunds.add(session, payment, planned):
            pending = RefundStatus.PENDING
            await refunds.save(session, refund_id, status=pending, reference=found.reference, due_at=due_at)
    return refund_id


async def _take_missed_dispute(till: Till, found: Repairable, at: datetime) -> None:
    await disputing.take(till, found.reference, at=at)


_REPAIRS: Mapping[Subject, Callable[[Till, Repairable, datetime], Awaitable[None]]] = {
    Subject.CHARGE: _take_missed_payment,
    Subject.REFUND: _take_missed_refund,
    Subject.DISPUTE: _take_missed_dispute,
}
