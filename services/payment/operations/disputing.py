"""Disputing: whatever an event tells of a dispute, it is read from the provider, and what is new of it is recorded."""

from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from services.payment.clients.provider import CallInvalid, OutcomeUnknown
from services.payment.domain.disputes import DECIDED, FORMAL, MOVES, Dispute
from services.payment.domain.intents import DisputeStatus, FundsMoved, ProviderDispute
from services.payment.domain.payment import Payment
from services.payment.operations import debts, settling
from services.payment.operations.till import Till
from services.payment.store import disputes, ledger, payments, refunds
from services.shared import outbox
from services.shared.failpoints import failpoint

log = structlog.get_logger()


async def take(till: Till, reference: str, *, at: datetime) -> None:
    """Read a dispute from the provider and record it.

    :raises OutcomeUnknown: no answer came, or the payment is not known to be captured yet.
    """
    try:
        made = await till.provider.retrieve_dispute(reference)
    except CallInvalid as invalid:
        log.warning("dispute.unreadable", reference=reference, code=invalid.code)
        return
    payment = await _find_payment(till, made)
    if payment is None:
        log.warning("dispute.unknown", reference=reference, intent_id=made.intent_id)
        return
    if not payment.is_captured:
        await settling.catch_up(till, payment, at=at)
    failpoint("dispute.read.before_recorded")
    await record(till, payment.id, made, at=at)


async def _find_payment(till: Till, made: ProviderDispute) -> Payment | None:
    if made.intent_id is None:
        return None
    async with till.database.read() as session:
        return await payments.find_by_intent(session, made.intent_id)


async def record(till: Till, payment_id: UUID, made: ProviderDispute, *, at: datetime) -> None:
    """Record a dispute as the provider has it; what is known already, and older news, change nothing.

    :raises OutcomeUnknown: the payment is not known to be captured, so there is nothing to dispute yet.
    """
    async with till.database.begin() as session:
        payment, payable = await payments.lock(session, payment_id)
        if not payment.is_captured:
            raise OutcomeUnknown
        known = await disputes.find(session, made.id)
        dispute = _after(known, made, payment_id, at)
        await _book_funds(session, payment, made, at)
        await _move(session, payment, known, dispute, at)
        await disputes.save(session, dispute)
        await payments.save(session, payment, at=at)
        await _book_outcome(session, payment, dispute, made, at)
        if dispute != known and not payment.is_disputed:
            await refunds.hurry(session, payment_id, now=at)
            if payable.is_cancelled:
                await debts.add_automatic(session, payment, at=at)
        failpoint("dispute.recorded.before_commit")


def _after(known: Dispute | None, made: ProviderDispute, payment_id: UUID, at: datetime) -> Dispute:
    if known is not None and made.status not in MOVES[known.status]:
        return known
    return Dispute(
        id=made.id,
        payment_id=payment_id,
        amount_minor=known.amount_minor if known is not None and known.status in FORMAL else made.amount_minor,
        currency=made.currency,
        reason=made.reason,
        status=made.status,
        opened_at=known.opened_at if known is not None else at,
        updated_at=at,
    )


async def _book_funds(session: AsyncSession, payment: Payment, made: ProviderDispute, at: datetime) -> None:
    for kind, funds in (("dispute_withdrawn", made.withdrawn), ("dispute_reinstated", made.reinstated)):
        if funds is not None:
            await _book(session, kind, payment, funds, of=made.id, fee_minor=funds.fee_minor, at=at)


async def _book(  # noqa: PLR0913 - a movement has so many sides
    session: AsyncSession, kind: str, payment: Payment, funds: FundsMoved, *, of: str, at: datetime, fee_minor: int = 0
) -> None:
    """Never one currency's minor units as another's: reconciliation tells of what was settled in a foreign one."""
    if funds.currency != payment.currency:
        log.error("dispute.settled_in_another_currency", dispute_id=of, currency=funds.currency)
        return
    await ledger.book(session, kind, payment, of=of, minor=funds.amount_minor, fee_minor=fee_minor, at=at)


async def _move(session: AsyncSession, payment: Payment, known: Dispute | None, dispute: Dispute, at: datetime) -> None:
    """Tell of a dispute that has opened and of one that is decided; of both when the first that is heard is the end."""
    was = known.status if known is not None else DisputeStatus.INQUIRY
    if dispute.status is was:
        return
    if was not in FORMAL and dispute.status in FORMAL:
        log.error("payment.disputed", payment_id=str(payment.id), dispute_id=dispute.id, reason=dispute.reason)
        outbox.add(session, payment.dispute(dispute, at=at))
        was = DisputeStatus.OPEN
    if dispute.status in DECIDED:
        outbox.add(session, payment.close_dispute(dispute, was=was, at=at))


async def _book_outcome(
    session: AsyncSession, payment: Payment, dispute: Dispute, made: ProviderDispute, at: datetime
) -> None:
    """What a lost dispute holds is gone, and so is as much of what was owed; an appeal may bring it back."""
    if made.withdrawn is None:
        return
    if dispute.status is DisputeStatus.LOST:
        await _book(session, "dispute_lost", payment, made.withdrawn, of=dispute.id, at=at)
        await debts.release(session, payment, of=dispute.id, at=at)
    elif dispute.status is DisputeStatus.WON and await ledger.is_booked(session, f"dispute_lost:{dispute.id}"):
        await _book(session, "dispute_recovered", payment, made.withdrawn, of=dispute.id, at=at)
