"""Recording what the provider said of an intent: the one place that both roads, answers and webhooks, lead to."""

from dataclasses import replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from services.payment.domain.attempts import CANCELED, PROCESSING_ERROR, AttemptStatus
from services.payment.domain.intents import UNSETTLED, Intent, IntentStatus
from services.payment.domain.payment import Payment
from services.payment.operations import debts
from services.payment.operations.till import Till
from services.payment.store import attempts, ledger, payables, payments
from services.payment.store.attempts import Standing
from services.shared import outbox
from services.shared.failpoints import failpoint

_CUSTOMER_SECONDS = timedelta(seconds=60)

log = structlog.get_logger()


async def record(till: Till, attempt_id: UUID, intent: Intent, *, at: datetime) -> Standing:
    """Record an intent for an attempt; an attempt that has its outcome keeps it. Answers how it stands then.

    A success is recorded in any case: the provider has the money.
    """
    async with till.database.begin() as session:
        standing = await attempts.lock(session, attempt_id)
        if not standing.attempt.is_awaited:
            await _take_missed(session, standing.payment, intent, is_payable=standing.is_payable, at=at)
            return standing
        recorded = await _apply(session, standing, intent, at)
        failpoint("attempt.recorded.before_commit")
        return recorded


async def record_missed(till: Till, payment_id: UUID, intent: Intent, *, at: datetime) -> None:
    """Record a success that no attempt awaits: the provider has the money, so the payment has it."""
    async with till.database.begin() as session:
        payment, payable = await payments.lock(session, payment_id)
        await _take_missed(session, payment, intent, is_payable=payable.is_open, at=at)
        failpoint("payment.missed_success_recorded.before_commit")


async def _take_missed(
    session: AsyncSession, payment: Payment, intent: Intent, *, is_payable: bool, at: datetime
) -> None:
    if payment.is_captured or intent.status is not IntentStatus.SUCCEEDED:
        return
    log.warning("payment.missed", payment_id=str(payment.id))
    outbox.add(session, payment.succeed(captured_minor=intent.received_minor, at=at))
    await payments.save(session, payment, at=at)
    await payables.paid(session, payment.order_id, at=at)
    await _book_capture(session, payment, is_payable=is_payable, at=at)


async def record_invalid(till: Till, attempt_id: UUID, code: str, *, at: datetime) -> Standing:
    """Record that the provider refused an attempt as invalid: nothing was tried.

    Its key runs again, unless it was told `pending`: then it was declined with this code.
    """
    async with till.database.begin() as session:
        standing = await attempts.lock(session, attempt_id)
        if not standing.attempt.is_awaited:
            return standing
        if standing.payment.is_captured:
            return await _end(session, standing, AttemptStatus.FAILED, at)
        if standing.attempt.is_answered:
            return await _decline(session, standing, code, at)
        return await _give_up(session, standing, at)


async def _apply(session: AsyncSession, standing: Standing, intent: Intent, at: datetime) -> Standing:
    if standing.payment.is_captured:
        return await _end(session, standing, AttemptStatus.FAILED, at)
    if intent.status is IntentStatus.SUCCEEDED:
        return await _succeed(session, standing, intent, at)
    if standing.is_overtaken or intent.status in UNSETTLED:
        return standing
    if intent.status is IntentStatus.REQUIRES_ACTION:
        return await _await_customer(session, standing, intent, at)
    if intent.status is IntentStatus.CANCELED:
        return await _give_up(session, standing, at)
    return await _decline(session, standing, intent.decline_code or PROCESSING_ERROR, at)


async def _succeed(session: AsyncSession, standing: Standing, intent: Intent, at: datetime) -> Standing:
    payment = standing.payment
    outbox.add(session, payment.succeed(captured_minor=intent.received_minor, at=at))
    recorded = await _end(session, standing, AttemptStatus.SUCCEEDED, at)
    await _book_capture(session, payment, is_payable=standing.is_payable, at=at)
    return recorded


async def _book_capture(session: AsyncSession, payment: Payment, *, is_payable: bool, at: datetime) -> None:
    await ledger.book(session, "capture", payment, of=payment.id, minor=payment.captured_minor, at=at)
    if not is_payable:
        await debts.add_automatic(session, payment, at=at)


async def _await_customer(session: AsyncSession, standing: Standing, intent: Intent, at: datetime) -> Standing:
    attempt, action = standing.attempt, intent.next_action
    if attempt.status is AttemptStatus.REQUIRES_ACTION:
        return standing
    outbox.add(session, standing.payment.await_customer(attempt=attempt.n, at=at))
    waiting = replace(
        attempt,
        status=AttemptStatus.REQUIRES_ACTION,
        action_type=action.type if action else None,
        action_url=action.url if action else None,
    )
    return await _keep(session, replace(standing, attempt=waiting), at)


async def _decline(session: AsyncSession, standing: Standing, code: str, at: datetime) -> Standing:
    outbox.add(session, standing.payment.decline(attempt=standing.attempt.n, code=code, at=at))
    return await _end(session, standing, AttemptStatus.DECLINED, at, code=code)


async def _give_up(session: AsyncSession, standing: Standing, at: datetime) -> Standing:
    """End without a fact: either nothing was tried, or whoever gave the order up tells of it."""
    standing.payment.give_up()
    was_answered = standing.attempt.is_answered or standing.attempt.status is AttemptStatus.REQUIRES_ACTION
    if was_answered:
        return await _end(session, standing, AttemptStatus.DECLINED, at, code=CANCELED)
    return await _end(session, standing, AttemptStatus.FAILED, at)


async def _end(
    session: AsyncSession, standing: Standing, status: AttemptStatus, at: datetime, *, code: str | None = None
) -> Standing:
    return await _keep(
        session, replace(standing, attempt=replace(standing.attempt, status=status, decline_code=code)), at
    )


async def _keep(session: AsyncSession, standing: Standing, at: datetime) -> Standing:
    await attempts.settle(session, standing, at=at, due_at=at + _CUSTOMER_SECONDS)
    return standing
