"""Refunding at the wish of staff: reserve it under the payment's lock, then have it made."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.contracts.money import Money
from services.payment.clients import orders
from services.payment.clients.provider import CallInvalid, OutcomeUnknown
from services.payment.domain.disputes import PaymentUnderDispute
from services.payment.domain.intents import RefundStatus
from services.payment.domain.payment import Payment
from services.payment.domain.refunds import (
    ORDER_CANCELLED,
    CurrencyDiffers,
    Refund,
    RefundExceedsPayment,
    RefundRefused,
    automatic_refund_id,
    refund_id_again,
)
from services.payment.operations import debts, returning
from services.payment.operations.till import Till
from services.payment.store import payables, payments, refunds
from services.payment.store.leases import LEASE
from services.payment.store.refunds import Planned
from services.shared.failpoints import failpoint
from services.shared.idempotency import RequestInProgress, check_fingerprint


@dataclass(frozen=True, kw_only=True)
class AskRefund:
    """A command of staff; `amount` None means all that is left, `token` cancels an order in their name."""

    id: UUID
    payment_id: UUID
    amount: Money | None
    reason: str | None
    fingerprint: str
    token: str


@dataclass(frozen=True, kw_only=True)
class Refunded:
    """What is answered to a command, and whether it was answered before."""

    refund: Refund
    is_replay: bool


@dataclass(frozen=True, kw_only=True)
class _Reserved:
    refund_id: UUID
    is_by_cancelling: bool


class _Overtaken(Exception):
    """The same command runs elsewhere and came first; what it made is the answer."""


async def refund(till: Till, ask: AskRefund, *, at: datetime) -> Refunded:
    """Give money back once, however often the command comes.

    All the money of an order that has not been shipped goes back by cancelling the order.

    :raises PaymentNotFound: there is no such payment.
    :raises PaymentUnderDispute: a dispute is open.
    :raises RefundExceedsPayment: that is more than what is left, counting refunds still on their way.
    :raises RefundRefused: the provider does not make it.
    :raises RequestInProgress: the same command is still running after five seconds.
    """
    known = await _known(till, ask)
    if known is None:
        try:
            return Refunded(refund=await _make(till, ask, at), is_replay=False)
        except _Overtaken:
            known = await _known(till, ask)
    if known is None:
        raise RequestInProgress
    return Refunded(refund=known, is_replay=True)


async def _known(till: Till, ask: AskRefund) -> Refund | None:
    """The command's refund once its outcome can be told; None when the command is to run, from wherever it stopped."""

    async def look() -> tuple[bool, Refund | None]:
        async with till.database.read() as session:
            command = await refunds.find_command(session, ask.id)
        if command is None:
            return False, None
        check_fingerprint(command.fingerprint, ask.fingerprint)
        found = command.refund
        if found is None or (found.status is RefundStatus.FAILED and not found.is_accepted):
            return False, None
        return found.status is RefundStatus.PENDING and not found.is_accepted, found

    return await till.settled(look)


async def _make(till: Till, ask: AskRefund, at: datetime) -> Refund:
    reserved = await _reserve(till, ask, at=at)
    if not reserved.is_by_cancelling:
        return await _perform(till, reserved.refund_id)
    failpoint("refund.command_kept.before_order_cancelled")
    return await _perform(till, await _by_cancelling(till, ask, reserved.refund_id))


async def _reserve(till: Till, ask: AskRefund, *, at: datetime, is_shipped: bool = False) -> _Reserved:
    """Tie the command to its refund: a pending one of its own, or the one that cancelling the order makes."""
    async with till.database.begin() as session:
        payment, payable = await payments.lock(session, ask.payment_id)
        if payment.is_disputed:
            raise PaymentUnderDispute
        minor, left = _minor(payment, ask.amount), await refunds.left_of(session, payment)
        is_whole = left == payment.captured_minor and minor in {None, left}
        is_by_cancelling = is_whole and payable.is_unshipped and not is_shipped
        refund_id = await _identity(session, ask, payment, is_by_cancelling=is_by_cancelling)
        if not await refunds.keep_command(session, ask.id, refund_id=refund_id, fingerprint=ask.fingerprint, at=at):
            raise _Overtaken
        if not 0 < (left if minor is None else minor) <= left:
            raise RefundExceedsPayment
        if not is_by_cancelling:
            await _add(session, refund_id, ask, payment, minor=left if minor is None else minor, at=at)
        failpoint("refund.reserved.before_commit")
        return _Reserved(refund_id=refund_id, is_by_cancelling=is_by_cancelling)


async def _identity(session: AsyncSession, ask: AskRefund, payment: Payment, *, is_by_cancelling: bool) -> UUID:
    if is_by_cancelling:
        return automatic_refund_id(payment.id, ORDER_CANCELLED)
    before = await refunds.find_command(session, ask.id)
    refused = before.refund if before is not None else None
    return ask.id if refused is None else refund_id_again(ask.id, refused.id)


def _minor(payment: Payment, amount: Money | None) -> int | None:
    if amount is None:
        return None
    if amount.currency != payment.currency:
        raise CurrencyDiffers(currency=payment.currency)
    return amount.minor


async def _add(
    session: AsyncSession, refund_id: UUID, ask: AskRefund, payment: Payment, *, minor: int, at: datetime
) -> None:
    planned = Planned(id=refund_id, amount_minor=minor, reason=ask.reason, due_at=at + LEASE, at=at)
    await refunds.add(session, payment, planned)


async def _by_cancelling(till: Till, ask: AskRefund, refund_id: UUID) -> UUID:
    async with till.database.begin() as session:
        payment = await payments.get(session, ask.payment_id)
    if not await orders.cancel(till.sidecar, payment.order_id, token=ask.token):
        return (await _reserve(till, ask, at=till.clock(), is_shipped=True)).refund_id
    failpoint("refund.order_cancelled.before_added")
    async with till.database.begin() as session:
        payment, _ = await payments.lock(session, payment.id)
        await payables.close(session, payment.order_id)
        await debts.add_automatic(session, payment, at=till.clock())
        if await refunds.find(session, refund_id) is None:
            raise RefundExceedsPayment
    failpoint("refund.added.before_call")
    return refund_id


async def _perform(till: Till, refund_id: UUID) -> Refund:
    try:
        return await returning.execute(till, refund_id, at=till.clock(), deadline=till.deadline())
    except OutcomeUnknown:
        return await _leave_pending(till, refund_id)
    except CallInvalid as invalid:
        await returning.record_refused(till, refund_id, invalid.code, at=till.clock())
        raise RefundRefused(reason=invalid.code) from invalid


async def _leave_pending(till: Till, refund_id: UUID) -> Refund:
    """Nobody knows yet: the request is told so, and the timer finds out."""
    failpoint("refund.unknown.before_promised")
    async with till.database.begin() as session:
        await returning.tell_pending(session, refund_id, at=till.clock())
        return await refunds.get(session, refund_id)
