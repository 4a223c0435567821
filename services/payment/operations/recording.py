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
from services.payment.store.attempts import PaymentAttempt
from services.shared import outbox
from services.shared.failpoints import failpoint

_CUSTOMER_SECONDS = timedelta(seconds=60)

log = structlog.get_logger()


async def record(till: Till, attempt_id: UUID, intent: Intent, *, at: datetime) -> PaymentAttempt:
    """Record an intent for an attempt; an attempt that has its outcome keeps it. Answers how it stands then.

    A success is recorded in any case: the provider has the money.
    """
    async with till.database.begin() as session:
        tried = await attempts.lock(session, attempt_id)
        if not tried.attempt.is_awaited:
            await _take_missed(session, tried.payment, intent, is_payable=tried.is_payable, at=at)
            return tried
        recorded = await _apply(session, tried, intent, at)
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


async def record_invalid(till: Till, attempt_id: UUID, code: str, *, at: datetime) -> PaymentAttempt:
    """Record that the provider refused an attempt as invalid: nothing was tried.

    Its key runs again, unless it was told `pending`: then it was declined with this code.
    """
    async with till.database.begin() as session:
        tried = await attempts.lock(session, attempt_id)
        if not tried.attempt.is_awaited:
            return tried
        if tried.payment.is_captured:
            return await _end(session, tried, AttemptStatus.FAILED, at)
        if tried.attempt.is_answered:
            return await _decline(session, tried, code, at)
        return await _give_up(session, tried, at)


async def _apply(session: AsyncSession, tried: PaymentAttempt, intent: Intent, at: datetime) -> PaymentAttempt:
    if tried.payment.is_captured:
        return await _end(session, tried, AttemptStatus.FAILED, at)
    if intent.status is IntentStatus.SUCCEEDED:
        return await _succeed(session, tried, intent, at)
    if tried.is_overtaken or intent.status in UNSETTLED:
        return tried
    if intent.status is IntentStatus.REQUIRES_ACTION:
        return await _await_customer(session, tried, intent, at)
    if intent.status is IntentStatus.CANCELED:
        return await _give_up(session, tried, at)
    return await _decline(session, tried, intent.decline_code or PROCESSING_ERROR, at)


async def _succeed(session: AsyncSession, tried: PaymentAttempt, intent: Intent, at: datetime) -> PaymentAttempt:
    payment = tried.payment
    outbox.add(session, payment.succeed(captured_minor=intent.received_minor, at=at))
    recorded = await _end(session, tried, AttemptStatus.SUCCEEDED, at)
    await _book_capture(session, payment, is_payable=tried.is_payable, at=at)
    return recorded


async def _book_capture(session: AsyncSession, payment: Payment, *, is_payable: bool, at: datetime) -> None:
    await ledger.book(session, "capture", payment, of=payment.id, minor=payment.captured_minor, at=at)
    if not is_payable:
        await debts.add_automatic(session, payment, at=at)


async def _await_customer(session: AsyncSession, tried: PaymentAttempt, intent: Intent, at: datetime) -> PaymentAttempt:
    attempt, action = tried.attempt, intent.next_action
    if attempt.status is AttemptStatus.REQUIRES_ACTION:
        return tried
    outbox.add(session, tried.payment.await_customer(attempt=attempt.n, at=at))
    waiting = replace(
        attempt,
        status=AttemptStatus.REQUIRES_ACTION,
        action_type=action.type if action else None,
        action_url=action.url if action else None,
    )
    return await _keep(session, replace(tried, attempt=waiting), at)


async def _decline(session: AsyncSession, tried: PaymentAttempt, code: str, at: datetime) -> PaymentAttempt:
    outbox.add(session, tried.payment.decline(attempt=tried.attempt.n, code=code, at=at))
    return await _end(session, tried, AttemptStatus.DECLINED, at, code=code)


async def _give_up(session: AsyncSession, tried: PaymentAttempt, at: datetime) -> PaymentAttempt:
    """End without a fact: either nothing was tried, or whoever gave the order up tells of it."""
    tried.payment.give_up()
    was_answered = tried.attempt.is_answered or tried.attempt.status is AttemptStatus.REQUIRES_ACTION
    if was_answered:
        return await _end(session, tried, AttemptStatus.DECLINED, at, code=CANCELED)
    return await _end(session, tried, AttemptStatus.FAILED, at)


async def _end(
    session: AsyncSession, tried: PaymentAttempt, status: AttemptStatus, at: datetime, *, code: str | None = None
) -> PaymentAttempt:
    return await _keep(session, replace(tried, attempt=replace(tried.attempt, status=status, decline_code=code)), at)


async def _keep(session: AsyncSession, tried: PaymentAttempt, at: datetime) -> PaymentAttempt:
    await attempts.settle(session, tried, at=at, due_at=at + _CUSTOMER_SECONDS)
    return tried
