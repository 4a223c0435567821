"""Returning money: have the provider make a pending refund, and record what became of it."""

from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from services.payment.clients.provider import CallInvalid, OutcomeUnknown, ProviderBroken
from services.payment.domain.attempts import KEYS_HOLD, PROCESSING_ERROR
from services.payment.domain.intents import ProviderRefund, RefundStatus
from services.payment.domain.payables import Payable
from services.payment.domain.payment import Payment
from services.payment.domain.refunds import NOTHING_LEFT, SURE_TRIES, Refund
from services.payment.operations import debts
from services.payment.operations.till import Till, until
from services.payment.store import ledger, payments, refunds
from services.payment.store.leases import LEASE, LOOK_AFTER
from services.shared import outbox
from services.shared.failpoints import failpoint

_PROVIDER_WORKS = timedelta(hours=1)
"""A refund that the provider has taken is told of by a webhook; this is how long until we ask by ourselves."""

log = structlog.get_logger()


class RefundWaits(OutcomeUnknown):
    """A dispute is open: nothing is refunded until that is decided."""


async def execute(till: Till, refund_id: UUID, *, at: datetime, deadline: float) -> Refund:
    """Have the provider make a pending refund, or ask what became of it, and record that.

    :raises OutcomeUnknown: no answer came.
    :raises RefundWaits: the payment is under dispute.
    :raises CallInvalid: the provider refuses, or there is nothing left to refund.
    """
    async with till.database.begin() as session:
        found = await refunds.get(session, refund_id)
        payment = await payments.get(session, found.payment_id)
    if found.status is not RefundStatus.PENDING or payment.intent_id is None:
        return found
    made = await until(deadline, _make(till, found, payment, payment.intent_id, at))
    failpoint("refund.made.before_recorded")
    return await record(till, refund_id, made, at=till.clock())


async def _make(till: Till, found: Refund, payment: Payment, intent_id: str, at: datetime) -> ProviderRefund:
    if found.provider_reference is not None:
        return await _retrieve(till, found.provider_reference)
    is_covered = found.amount_minor <= payment.kept_minor
    is_forgotten = at - found.created_at > KEYS_HOLD
    if payment.is_disputed or is_forgotten or not is_covered:
        made = await till.provider.find_refund(intent_id, refund_id=str(found.id))
        if made is not None:
            return made
    if payment.is_disputed:
        raise RefundWaits
    if not is_covered:
        raise CallInvalid(NOTHING_LEFT, None)
    return await _call(till, found, intent_id)


async def _retrieve(till: Till, reference: str) -> ProviderRefund:
    """A refund that the provider has made: to be told that there is none is no answer."""
    try:
        return await till.provider.retrieve_refund(reference)
    except CallInvalid as invalid:
        log.exception("provider.denies_refund", reference=reference, code=invalid.code)
        raise OutcomeUnknown from invalid


async def _call(till: Till, found: Refund, intent_id: str) -> ProviderRefund:
    """Make it, or have the lost answer again. An error that sticks to the key may hide a refund that is listed."""
    key, refund_id = f"refund:{found.id}", str(found.id)
    failpoint("refund.reserved.before_call")
    try:
        return await till.provider.refund(intent_id, key=key, amount_minor=found.amount_minor, refund_id=refund_id)
    except ProviderBroken:
        made = await till.provider.find_refund(intent_id, refund_id=refund_id)
        if made is None and found.tries < SURE_TRIES:
            raise
    if made is None:
        raise CallInvalid(PROCESSING_ERROR, None)
    return made


async def record(till: Till, refund_id: UUID, made: ProviderRefund, *, at: datetime) -> Refund:
    """Record what the provider says of a refund; one that failed there stays failed, and nothing is recorded twice."""
    async with till.database.begin() as session:
        payment, payable = await _lock_payment_of(session, refund_id)
        await _apply(session, payment, payable, await refunds.get(session, refund_id), made, at)
        failpoint("refund.recorded.before_commit")
        return await refunds.get(session, refund_id)


async def _lock_payment_of(session: AsyncSession, refund_id: UUID) -> tuple[Payment, Payable]:
    return await payments.lock(session, (await refunds.get(session, refund_id)).payment_id)


async def _apply(
    session: AsyncSession, payment: Payment, payable: Payable, found: Refund, made: ProviderRefund, at: datetime
) -> None:
    if found.provider_reference not in {None, made.id}:
        log.error("refund.made_twice", refund_id=str(found.id), reference=made.id)
        return
    if _is_old_news(found, made):
        return
    await refunds.save(session, found.id, status=made.status, reference=made.id, due_at=at + _PROVIDER_WORKS)
    if found.status is RefundStatus.FAILED:
        log.error("refund.made_after_refusal", refund_id=str(found.id), reference=made.id)
        again = f"{found.id}:{made.id}"
        await debts.promise(session, payment, found.id, minor=found.amount_minor, at=at, of=again)
    elif not found.is_promised:
        await debts.promise(session, payment, found.id, minor=found.amount_minor, at=at)
    if made.status is RefundStatus.SUCCEEDED:
        await _succeed(session, payment, found, at)
    elif made.status is RefundStatus.FAILED:
        await _fail(session, payment, payable, found, at, is_paid_again=found.is_automatic)


def _is_old_news(found: Refund, made: ProviderRefund) -> bool:
    """A refund of the provider's ends as succeeded, or later even as failed; what we took for refused may be made."""
    if found.status is RefundStatus.FAILED:
        return found.provider_reference is not None or made.status is RefundStatus.FAILED
    return found.status is RefundStatus.SUCCEEDED and made.status is not RefundStatus.FAILED


async def _succeed(session: AsyncSession, payment: Payment, found: Refund, at: datetime) -> None:
    outbox.add(session, payment.refund(refund_id=found.id, minor=found.amount_minor, reason=found.reason, at=at))
    await ledger.book(session, "refund", payment, of=found.id, minor=found.amount_minor, at=at)
    await payments.save(session, payment, at=at)


async def _fail(
    session: AsyncSession, payment: Payment, payable: Payable, found: Refund, at: datetime, *, is_paid_again: bool
) -> None:
    log.error("refund.failed", refund_id=str(found.id), payment_id=str(payment.id))
    was_counted = found.status is RefundStatus.SUCCEEDED
    if was_counted:
        await ledger.book(session, "refund_failure", payment, of=found.id, minor=found.amount_minor, at=at)
    fact = payment.fail_refund(
        refund_id=found.id, minor=found.amount_minor, reason=found.reason, was_counted=was_counted, at=at
    )
    outbox.add(session, fact)
    await payments.save(session, payment, at=at)
    await debts.reopen(session, payment, payable, of=found.id, is_paid_again=is_paid_again, at=at)


async def record_refused(till: Till, refund_id: UUID, code: str, *, at: datetime) -> None:
    """Record that a pending refund will not be made; one that was promised to somebody is told of as failed."""
    async with till.database.begin() as session:
        payment, payable = await _lock_payment_of(session, refund_id)
        found = await refunds.get(session, refund_id)
        if found.status is not RefundStatus.PENDING:
            return
        log.error("refund.refused", refund_id=str(refund_id), code=code)
        await refunds.save(session, refund_id, status=RefundStatus.FAILED, reference=None, due_at=at)
        is_paid_again = found.is_automatic or (found.is_promised and code == PROCESSING_ERROR)
        if found.is_promised:
            await _fail(session, payment, payable, found, at, is_paid_again=is_paid_again)
        else:
            await debts.reopen(session, payment, payable, of=refund_id, is_paid_again=is_paid_again, at=at)
        failpoint("refund.refusal_recorded.before_commit")


async def execute_one(till: Till, *, at: datetime) -> bool:
    """Execute the pending refund that is longest due; answers whether there was one."""
    async with till.database.begin() as session:
        refund_id = await refunds.take_due(session, now=at)
    if refund_id is None:
        return False
    failpoint("refund.leased.before_call")
    try:
        await execute(till, refund_id, at=at, deadline=till.deadline())
    except OutcomeUnknown:
        await _postpone(till, refund_id, at)
    except CallInvalid as invalid:
        await record_refused(till, refund_id, invalid.code, at=at)
    return True


async def _postpone(till: Till, refund_id: UUID, at: datetime) -> None:
    """Try again later. A request that began longer than a lease ago is dead: whoever asks again is told `pending`."""
    async with till.database.begin() as session:
        found = await refunds.get(session, refund_id)
        if not found.is_answered and found.created_at <= at - LEASE:
            await tell_pending(session, refund_id, at=at)
        await refunds.postpone(session, refund_id, now=at)


async def tell_pending(session: AsyncSession, refund_id: UUID, *, at: datetime) -> None:
    """Keep that a refund's request is told `pending`, which makes it a debt."""
    payment, _ = await _lock_payment_of(session, refund_id)
    found = await refunds.get(session, refund_id)
    if found.status is RefundStatus.PENDING and not found.is_promised:
        await debts.promise(session, payment, refund_id, minor=found.amount_minor, at=at)
    await refunds.answer(session, refund_id, due_at=at + LOOK_AFTER)
