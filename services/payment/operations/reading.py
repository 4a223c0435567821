"""Reading payments."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from services.payment.domain.attempts import Attempt
from services.payment.domain.disputes import Dispute
from services.payment.domain.payment import Payment
from services.payment.domain.refunds import PaymentNotFound, Refund
from services.payment.store import attempts, disputes, payments, refunds
from services.shared.identity import Principal


@dataclass(frozen=True, kw_only=True)
class Account:
    """A payment with all its attempts, refunds and disputes, oldest first."""

    payment: Payment
    attempts: list[Attempt]
    refunds: list[Refund]
    disputes: list[Dispute]


async def read(session: AsyncSession, payment_id: UUID, *, reader: Principal) -> Account:
    """A payment, for its customer or for staff.

    :raises PaymentNotFound: there is none, or it is not theirs.
    """
    payment = await payments.get(session, payment_id)
    if payment.user_id != reader.id and not reader.is_staff:
        raise PaymentNotFound
    return Account(
        payment=payment,
        attempts=await attempts.list_of(session, payment_id),
        refunds=await refunds.list_of(session, payment_id),
        disputes=await disputes.list_of(session, payment_id),
    )
