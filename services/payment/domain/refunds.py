"""Refunds: never more than was captured, counting those still on their way."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from services.payment.domain.intents import RefundStatus
from services.shared.errors import Conflict, Invalid, NotFound

ORDER_CANCELLED = "order-cancelled"


@dataclass(frozen=True, kw_only=True)
class Refund:
    """Money on its way back. `is_answered` says that its request was answered while the outcome was unknown."""

    id: UUID
    payment_id: UUID
    amount_minor: int
    currency: str
    reason: str | None
    status: RefundStatus
    provider_reference: str | None
    is_answered: bool
    tries: int
    created_at: datetime

    @property
    def is_accepted(self) -> bool:
        """Whether it was promised: the provider has it, or the caller was told that it will."""
        return self.provider_reference is not None or self.is_answered


def automatic_refund_id(payment_id: UUID, reason: str) -> UUID:
    """The id of the one refund that a payment gets by itself for this reason."""
    return uuid5(payment_id, reason)


class PaymentNotFound(NotFound):
    """There is no such payment, or it is not yours."""


class RefundExceedsPayment(Conflict):
    """This is more than what is left of the payment."""


class RefundRefused(Conflict):
    """The provider does not make this refund: {reason}."""


class CurrencyDiffers(Invalid):
    """A refund is in the payment's currency, {currency}."""
