"""Debts to customers: what was promised and has not gone back yet, how it is kept in the ledger, and paid again."""

from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from services.payment.domain.payables import Payable
from services.payment.domain.payment import Payment
from services.payment.domain.refunds import (
    COVERED_FOR,
    MOST_TRIES,
    ORDER_CANCELLED,
    REFUND_AGAIN,
    automatic_refund_id,
    pause_before,
    repaying_refund_id,
)
from services.payment.operations.till import Till
from services.payment.store import ledger, payments, refunds
from services.payment.store.refunds import Planned
from services.shared.failpoints import failpoint

log = structlog.get_logger()


async def promise(
    session: AsyncSession, payment: Payment, refund_id: UUID, *, minor: int, at: datetime, of: object = None
) -> None:
    """From now on the customer is owed what a refund of a locked payment is about.

    It serves first what is owed already and no other promised refund is under way for.

    :param of: what to book it under, when the refund itself was promised before.
    """
    pending = await refunds.pending_of(session, payment.id, besides=refund_id)
    anew = minor - (payment.owed_minor - pending.promised_minor)
    if anew > 0 and await ledger.book(session, "refund_promised", payment, of=of or refund_id, minor=anew, at=at):
        payment.owed_minor += anew
        await payments.save(session, payment, at=at)
    await refunds.promise(session, refund_id)


async def add_automatic(session: AsyncSession, payment: Payment, *, at: datetime) -> None:
    """Promise and plan the refund of whatever is left of a cancelled order's locked payment.

    One that was planned before and has failed keeps its id: what is left is then a debt that is due at once.
    """
    left = await refunds.left_of(session, payment)
    refund_id = automatic_refund_id(payment.id, ORDER_CANCELLED)
    if left > 0 and not await _plan(session, payment, refund_id, minor=left, reason=ORDER_CANCELLED, at=at):
        await payments.repay_at(session, payment.id, due_at=at)


async def _plan(
    session: AsyncSession, payment: Payment, refund_id: UUID, *, minor: int, reason: str, at: datetime
) -> bool:
    planned = Planned(id=refund_id, amount_minor=minor, reason=reason, is_automatic=True, due_at=at, at=at)
    if not await refunds.add(session, payment, planned):
        return False
    await promise(session, payment, refund_id, minor=minor, at=at)
    return True


async def reopen(
    session: AsyncSession, payment: Payment, payable: Payable, *, of: UUID, is_paid_again: bool, at: datetime
) -> None:
    """A refund has failed: what it was to pay is paid again by itself after a pause, or waits for staff.

    All the money of a cancelled order goes back by itself.

    :param of: the refund.
    """
    await release(session, payment, of=of, at=at)
    if not is_paid_again and not payable.is_cancelled:
        return
    tries = await payments.debt_tries(session, payment.id)
    if tries < MOST_TRIES:
        await payments.repay_at(session, payment.id, due_at=at + pause_before(tries))
    else:
        log.error("debt.left_to_people", payment_id=str(payment.id), owed_minor=payment.owed_minor)


async def release(session: AsyncSession, payment: Payment, *, of: object, at: datetime) -> None:
    """Owe no more than the shop still has: what a lost dispute has taken, the customer has got."""
    promised = (await refunds.pending_of(session, payment.id)).promised_minor
    excess = payment.owed_minor - promised - max(0, payment.kept_minor - promised)
    if excess > 0 and await ledger.book(session, "debt_released", payment, of=of, minor=excess, at=at):
        payment.owed_minor -= excess
        await payments.save(session, payment, at=at)


async def repay_one(till: Till, *, at: datetime) -> bool:
    """Plan another refund for the debt that is longest due; answers whether there was one."""
    async with till.database.begin() as session:
        payment_id = await payments.find_debt(session, now=at)
        if payment_id is None:
            return False
        payment, payable = await payments.lock(session, payment_id)
        await _repay(session, payment, payable, at)
        failpoint("debt.refund_planned.before_commit")
    failpoint("debt.refund_planned.before_call")
    return True


async def _repay(session: AsyncSession, payment: Payment, payable: Payable, at: datetime) -> None:
    pending = (await refunds.pending_of(session, payment.id)).whole_minor
    owed = payment.kept_minor if payable.is_cancelled else min(payment.kept_minor, payment.owed_minor)
    if owed <= pending:
        await payments.repay_at(session, payment.id, due_at=at + COVERED_FOR if owed > 0 else None)
        return
    n = await payments.repaying(session, payment.id)
    reason = ORDER_CANCELLED if payable.is_cancelled else REFUND_AGAIN
    refund_id = repaying_refund_id(payment.id, n)
    await _plan(session, payment, refund_id, minor=owed - pending, reason=reason, at=at)
