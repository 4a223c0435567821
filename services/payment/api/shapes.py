"""What goes over the wire."""

from datetime import datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field

from services.contracts.money import Money, Price
from services.payment.domain.attempts import Attempt, AttemptStatus
from services.payment.domain.disputes import Dispute
from services.payment.domain.intents import DisputeStatus, RefundStatus
from services.payment.domain.payment import Payment, PaymentStatus
from services.payment.domain.refunds import Refund
from services.payment.operations.reading import Account
from services.shared.bodies import Body


class PayBody(Body):
    """Which order to pay, and how: a token of the provider, never a card number."""

    order_id: UUID
    payment_method: Annotated[str, Field(pattern=r"^pm_[A-Za-z0-9_]{1,200}$", examples=["pm_card_visa"])]


class RefundBody(Body):
    """How much to give back (all that is left when absent), and why."""

    amount: Price | None = None
    reason: Annotated[str, Field(min_length=1, max_length=500)] | None = None


class NextActionShape(BaseModel):
    """What the customer has to do, and where."""

    type: str
    url: str | None


class PaymentShape(BaseModel):
    """A payment."""

    id: UUID
    order_id: UUID
    status: PaymentStatus | Literal["disputed"]
    amount: Money
    captured_amount: Money
    refunded_amount: Money
    provider: Literal["stripe"] = "stripe"
    provider_reference: str | None
    next_action: NextActionShape | None = None
    created_at: datetime

    @classmethod
    def of(cls, payment: Payment, attempt: Attempt | None) -> Self:
        """A payment, with what its newest attempt waits for."""
        return cls(**_members(payment, attempt))


class AttemptShape(BaseModel):
    """A try to pay."""

    n: int
    status: AttemptStatus
    decline_code: str | None
    at: datetime


class RefundShape(BaseModel):
    """Money on its way back."""

    id: UUID
    payment_id: UUID
    amount: Money
    status: RefundStatus
    reason: str | None
    provider_reference: str | None
    created_at: datetime

    @classmethod
    def of(cls, refund: Refund) -> Self:
        """A refund."""
        return cls(
            id=refund.id,
            payment_id=refund.payment_id,
            amount=Money.of(refund.amount_minor, refund.currency),
            status=refund.status,
            reason=refund.reason,
            provider_reference=refund.provider_reference,
            created_at=refund.created_at,
        )


class DisputeShape(BaseModel):
    """Money that the customer's bank wants back; `id` is the provider's."""

    id: str
    amount: Money
    status: DisputeStatus
    reason: str
    opened_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, dispute: Dispute) -> Self:
        """A dispute."""
        return cls(
            id=dispute.id,
            amount=Money.of(dispute.amount_minor, dispute.currency),
            status=dispute.status,
            reason=dispute.reason,
            opened_at=dispute.opened_at,
            updated_at=dispute.updated_at,
        )


class PaymentAccountShape(PaymentShape):
    """A payment with its attempts, refunds and disputes, oldest first.

    `owed_amount` was promised to the customer and has not gone back yet, `lost_amount` went back by disputes.
    """

    owed_amount: Money
    lost_amount: Money
    attempts: list[AttemptShape]
    refunds: list[RefundShape]
    disputes: list[DisputeShape]

    @classmethod
    def of_account(cls, account: Account) -> Self:
        """A payment with everything that belongs to it."""
        newest = account.attempts[-1] if account.attempts else None
        return cls(
            **_members(account.payment, newest),
            owed_amount=account.payment.money(account.payment.owed_minor),
            lost_amount=account.payment.money(account.payment.lost_minor),
            attempts=[
                AttemptShape(n=one.n, status=one.status, decline_code=one.decline_code, at=one.at)
                for one in account.attempts
            ],
            refunds=[RefundShape.of(one) for one in account.refunds],
            disputes=[DisputeShape.of(one) for one in account.disputes],
        )


def _members(payment: Payment, attempt: Attempt | None) -> dict[str, Any]:
    action = attempt.next_action if attempt is not None else None
    return {
        "id": payment.id,
        "order_id": payment.order_id,
        "status": "disputed" if payment.is_disputed else payment.status,
        "amount": payment.amount,
        "captured_amount": payment.money(payment.captured_minor),
        "refunded_amount": payment.money(payment.refunded_minor),
        "provider_reference": payment.intent_id,
        "next_action": NextActionShape(type=action.type, url=action.url) if action else None,
        "created_at": payment.created_at,
    }
