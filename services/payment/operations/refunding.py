"""Refunding: reserve it under the payment's lock, call the provider, record what became of it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from services.contracts.money import Money
from services.payment.clients import orders
from services.payment.clients.provider import CallInvalid, OutcomeUnknown
from services.payment.domain.attempts import KEYS_HOLD
from services.payment.domain.intents import ProviderRefund, RefundStatus
from services.payment.domain.payables import Payable
from services.payment.domain.payment import Payment
from services.payment.domain.refunds import (
    ORDER_CANCELLED,
    CurrencyDiffers,
    Refund,
    RefundExceedsPayment,
    RefundRefused,
    automatic_refund_id,
)
from services.payment.operations.till import Till, until
from services.payment.store import ledger, payables, payments, refunds
from services.shared import outbox
from services.shared.idempotency import RequestInProgress, check_fingerprint

_LOOK_AFTER = timedelta(seconds=0.5)
_PROVIDER_WORKS = timedelta(hours=1)
"""A refund that the provider has taken is told of by a webhook; this is how long until we ask by ourselves."""

log = structlog.get_logger()


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


async def refund(till: Till, ask: AskRefund, *, at: datetime) -> Refunded:
    """Give money back once, however often the command comes.

    All the money of an order that has not been shipped goes back by cancelling the order.

    :raises PaymentNotFound: there is no such payment.
    :raises RefundExceedsPayment: that is more than what is left, counting refunds still on their way.
    :raises RefundRefused: the provider does not make it.
    :raises RequestInProgress: the same command is still running after five seconds.
    """
    known = await _known(till, ask)
    if known is not None:
        return Refunded(refund=known, is_replay=True)
    refund_id = await _reserve(till, ask, at=at)
    if refund_id != ask.id:
        refund_id = await _by_cancelling(till, ask, refund_id)
    return Refunded(refund=await _perform(till, refund_id, ask), is_replay=False)


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


async def _reserve(till: Till, ask: AskRefund, *, at: datetime, is_shipped: bool = False) -> UUID:
    """Tie the command to its refund: a pending one of its own, or the one that cancelling the order makes."""
    async with till.database.begin() as session:
        payment, payable = await payments.lock(session, ask.payment_id)
        minor, left = _minor(payment, ask.amount), await refunds.left_of(session, payment)
        by_cancelling = not is_shipped and payable.is_unshipped and minor in {None, payment.captured_minor}
        refund_id = automatic_refund_id(payment.id, ORDER_CANCELLED) if by_cancelling else ask.id
        if not await refunds.keep_command(session, ask.id, refund_id=refund_id, fingerprint=ask.fingerprint, at=at):
            raise RequestInProgress
        if not 0 < (left if minor is None else minor) <= left:
            raise RefundExceedsPayment
        if by_cancelling and left == payment.captured_minor:
            return refund_id
        await _add(session, ask, payment, minor=left if minor is None else minor, at=at)
        return ask.id


def _minor(payment: Payment, amount: Money | None) -> int | None:
    if amount is None:
        return None
    if amount.currency != payment.currency:
        raise CurrencyDiffers(currency=payment.currency)
    return amount.minor


async def _add(session: AsyncSession, ask: AskRefund, payment: Payment, *, minor: int, at: datetime) -> None:
    planned = refunds.Planned(id=ask.id, amount_minor=minor, reason=ask.reason, due_at=at + refunds.LEASE, at=at)
    await refunds.add(session, payment, planned)


async def _by_cancelling(till: Till, ask: AskRefund, refund_id: UUID) -> UUID:
    async with till.database.begin() as session:
        payment = await payments.get(session, ask.payment_id)
    if not await orders.cancel(till.sidecar, payment.order_id, token=ask.token):
        return await _reserve(till, ask, at=till.clock(), is_shipped=True)
    async with till.database.begin() as session:
        payment, _ = await payments.lock(session, payment.id)
        await payables.close(session, payment.order_id)
        await refunds.add_automatic(session, payment, reason=ORDER_CANCELLED, at=till.clock())
    return refund_id


async def _perform(till: Till, refund_id: UUID, ask: AskRefund) -> Refund:
    try:
        return await execute(till, refund_id, at=till.clock(), deadline=till.deadline())
    except OutcomeUnknown:
        async with till.database.begin() as session:
            await refunds.answer(session, refund_id, due_at=till.clock() + _LOOK_AFTER)
            return await refunds.get(session, refund_id)
    except CallInvalid as invalid:
        await record_refused(till, refund_id, invalid.code, at=till.clock(), is_promised=refund_id != ask.id)
        raise RefundRefused(reason=invalid.code) from invalid


async def execute(till: Till, refund_id: UUID, *, at: datetime, deadline: float) -> Refund:
    """Have the provider make a pending refund, or ask what became of it, and record that.

    :raises OutcomeUnknown: no answer came.
    :raises CallInvalid: the provider refuses.
    """
    async with till.database.begin() as session:
        found = await refunds.get(session, refund_id)
        payment = await payments.get(session, found.payment_id)
    if found.status is not RefundStatus.PENDING or payment.intent_id is None:
        return found
    made = await until(deadline, _make(till, found, payment.intent_id, at))
    return await record(till, refund_id, made, at=till.clock())


async def _make(till: Till, found: Refund, intent_id: str, at: datetime) -> ProviderRefund:
    if found.provider_reference is not None:
        return await till.provider.retrieve_refund(found.provider_reference)
    if at - found.created_at > KEYS_HOLD:
        made = await till.provider.find_refund(intent_id, refund_id=str(found.id))
        if made is not None:
            return made
    return await till.provider.refund(
        intent_id, key=f"refund:{found.id}", amount_minor=found.amount_minor, refund_id=str(found.id)
    )


async def record(till: Till, refund_id: UUID, made: ProviderRefund, *, at: datetime) -> Refund:
    """Record what the provider says of a refund; a failed refund stays failed, and nothing is recorded twice."""
    async with till.database.begin() as session:
        payment, _ = await _lock_payment_of(session, refund_id)
        found = await refunds.get(session, refund_id)
        await _apply(session, payment, found, made, at)
        return await refunds.get(session, refund_id)


async def _lock_payment_of(session: AsyncSession, refund_id: UUID) -> tuple[Payment, Payable]:
    return await payments.lock(session, (await refunds.get(session, refund_id)).payment_id)


async def _apply(session: AsyncSession, payment: Payment, found: Refund, made: ProviderRefund, at: datetime) -> None:
    if found.status is RefundStatus.FAILED or (found.status, made.status) == (RefundStatus.SUCCEEDED,) * 2:
        return
    if made.status is RefundStatus.SUCCEEDED:
        fact = payment.refund(refund_id=found.id, minor=found.amount_minor, reason=found.reason, at=at)
        outbox.add(session, fact)
        await ledger.book(session, "refund", payment, of=found.id, minor=found.amount_minor, at=at)
        await payments.save(session, payment, at=at)
    elif made.status is RefundStatus.FAILED:
        await _fail(session, payment, found, at)
    elif found.status is RefundStatus.SUCCEEDED:
        return
    await refunds.save(session, found.id, status=made.status, reference=made.id, due_at=at + _PROVIDER_WORKS)


async def _fail(session: AsyncSession, payment: Payment, found: Refund, at: datetime) -> None:
    log.error("refund.failed", refund_id=str(found.id), payment_id=str(payment.id))
    was_counted = found.status is RefundStatus.SUCCEEDED
    if was_counted:
        await ledger.book(session, "refund_failure", payment, of=found.id, minor=found.amount_minor, at=at)
    fact = payment.fail_refund(
        refund_id=found.id, minor=found.amount_minor, reason=found.reason, was_counted=was_counted, at=at
    )
    outbox.add(session, fact)
    await payments.save(session, payment, at=at)


async def record_refused(till: Till, refund_id: UUID, code: str, *, at: datetime, is_promised: bool) -> None:
    """Record that the provider refuses a pending refund; one that was promised to somebody is told of as failed."""
    async with till.database.begin() as session:
        payment, _ = await _lock_payment_of(session, refund_id)
        found = await refunds.get(session, refund_id)
        if found.status is not RefundStatus.PENDING:
            return
        log.error("refund.refused", refund_id=str(refund_id), code=code)
        if is_promised:
            await _fail(session, payment, found, at)
        await refunds.save(session, refund_id, status=RefundStatus.FAILED, reference=None, due_at=at)


async def execute_one(till: Till, *, at: datetime) -> bool:
    """Execute the pending refund that is longest due; answers whether there was one."""
    async with till.database.begin() as session:
        refund_id = await refunds.take_due(session, now=at)
    if refund_id is None:
        return False
    try:
        await execute(till, refund_id, at=at, deadline=till.deadline())
    except OutcomeUnknown:
        async with till.database.begin() as session:
            await refunds.postpone(session, refund_id, now=at)
    except CallInvalid as invalid:
        await record_refused(till, refund_id, invalid.code, at=at, is_promised=True)
    return True
