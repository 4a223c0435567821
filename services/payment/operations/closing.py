"""Closing: an order that is given up takes no money any more, and gives back what it took."""

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.contracts.answers import CloseAsked, Closed, CloseOutcome
from services.payment.clients.provider import OutcomeUnknown
from services.payment.domain.attempts import AttemptStatus
from services.payment.domain.intents import FINAL
from services.payment.domain.payables import PENDING, Payable, PayableState
from services.payment.domain.payment import Payment
from services.payment.operations import debts, recording
from services.payment.operations.till import Till
from services.payment.store import attempts, payables, payments
from services.payment.store.attempts import PaymentAttempt
from services.shared.failpoints import failpoint


async def keep_order(session: AsyncSession, payable: Payable) -> None:
    """Keep what an event tells of an order; an older event changes nothing."""
    await payables.save(session, payable)


async def cancel_order(session: AsyncSession, payable: Payable, *, at: datetime) -> None:
    """The order is cancelled: close its payable, and have its intent canceled or its money sent back.

    That is old news once a version as new was heard: this one, or the refund of everything, which comes after it.
    """
    if not await payables.save(session, payable):
        return
    payment = await payments.find_of_order(session, payable.order_id)
    if payment is None:
        return
    if payment.is_captured:
        await debts.add_automatic(session, payment, at=at)
    elif not await attempts.hurry(session, payment.id, now=at) and payment.intent_id is not None:
        await payments.cancel_at(session, payment.id, now=at)


async def close(till: Till, order_id: UUID, asked: CloseAsked, *, at: datetime) -> Closed:
    """Close a payable for the order service, which is about to expire the order.

    Paid: it is captured. Busy: an attempt is open, ask again. Closed: no attempt will ever begin, and none waits. An
    attempt that waits for its customer is ended at the provider first.
    """
    waiting = await _waiting(till, order_id)
    if waiting is not None and waiting.payment.intent_id is not None:
        try:
            intent = await till.provider.cancel(waiting.payment.intent_id)
        except OutcomeUnknown:
            return Closed(order_id=order_id, outcome=CloseOutcome.BUSY)
        failpoint("intent.canceled_for_closing.before_recorded")
        await recording.record(till, waiting.attempt.id, intent, at=at)
    async with till.database.begin() as session:
        closed = await _close(session, order_id, asked)
    failpoint("payable.closed.before_answered")
    return closed


async def _waiting(till: Till, order_id: UUID) -> PaymentAttempt | None:
    async with till.database.begin() as session:
        payment = await payments.find_of_order(session, order_id)
        tried = await attempts.find_awaited(session, payment.id) if payment is not None else None
    is_waiting = tried is not None and tried.attempt.status is AttemptStatus.REQUIRES_ACTION
    return tried if is_waiting else None


async def _close(session: AsyncSession, order_id: UUID, asked: CloseAsked) -> Closed:
    await payables.add(session, _closed_payable(order_id, asked))
    await payables.lock(session, order_id)
    payment = await payments.find_of_order(session, order_id)
    if payment is not None and payment.is_captured:
        return Closed(order_id=order_id, outcome=CloseOutcome.PAID, payment_id=payment.id)
    if payment is not None and await attempts.find_awaited(session, payment.id) is not None:
        return Closed(order_id=order_id, outcome=CloseOutcome.BUSY, payment_id=payment.id)
    await payables.close(session, order_id)
    return Closed(order_id=order_id, outcome=CloseOutcome.CLOSED, payment_id=payment.id if payment else None)


def _closed_payable(order_id: UUID, asked: CloseAsked) -> Payable:
    payable = Payable.of(
        order_id=order_id, user_id=asked.user_id, amount=asked.amount, version=asked.version, status=PENDING
    )
    return replace(payable, state=PayableState.CLOSED)


async def cancel_one_intent(till: Till, *, at: datetime) -> bool:
    """Cancel the intent of a cancelled order at the provider; answers whether there was one."""
    async with till.database.begin() as session:
        payment = await payments.take_cancellation(session, now=at)
    if payment is None:
        return False
    failpoint("cancellation.leased.before_call")
    await _cancel_intent(till, payment, at)
    return True


async def _cancel_intent(till: Till, payment: Payment, at: datetime) -> None:
    if payment.intent_id is not None and not payment.is_captured:
        try:
            intent = await till.provider.cancel(payment.intent_id)
        except OutcomeUnknown:
            return
        failpoint("intent.canceled.before_recorded")
        await recording.record_missed(till, payment.id, intent, at=at)
        if intent.status not in FINAL:
            return
    failpoint("cancellation.recorded.before_done")
    async with till.database.begin() as session:
        await payments.cancellation_done(session, payment.id)
