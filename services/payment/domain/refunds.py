"""Refunds: never more than was captured, counting those still on their way."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid5

from services.payment.domain.intents import RefundStatus
from services.shared.errors import Conflict, Invalid, NotFound

ORDER_CANCELLED = "order-cancelled"
REFUND_AGAIN = "refund-again"
NOTHING_LEFT = "nothing_left"
"""The code of a refund that we do not ask for any more: a dispute has taken the money."""
SURE_TRIES = 7
"""After so many errors of the provider for one key, and the minute that lies between them, a refund that it does not
list was not made."""
MOST_TRIES = 10
"""A debt that so many further refunds could not pay is left to people."""
COVERED_FOR = timedelta(minutes=15)
"""How long a debt rests that refunds are under way for: one of them may still be refused."""
_FIRST_PAUSE = timedelta(minutes=1)
_LONGEST_PAUSE = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Refund:
    """Money on its way back. `is_answered` says that its request was answered while the outcome was unknown.

    `is_promised` says that its amount is owed to the customer, `is_automatic` that nobody asked for it.
    """

    id: UUID
    payment_id: UUID
    amount_minor: int
    currency: str
    reason: str | None
    status: RefundStatus
    provider_reference: str | None
    is_answered: bool
    is_promised: bool
    is_automatic: bool
    tries: int
    created_at: datetime

    @property
    def is_accepted(self) -> bool:
        """Whether it was promised: the provider has it, or the caller was told that it will."""
        return self.provider_reference is not None or self.is_answered


@dataclass(frozen=True, kw_only=True)
class Pending:
    """The refunds of a payment that are under way, in minor units: all of them, and those that are promised."""

    whole_minor: int
    promised_minor: int


def automatic_refund_id(payment_id: UUID, reason: str) -> UUID:
    """The id of the one refund that a payment gets by itself for this reason."""
    return uuid5(payment_id, reason)


def repaying_refund_id(payment_id: UUID, n: int) -> UUID:
    """The id of the n-th refund that tries again to pay what is owed: a refund that has failed keeps its own."""
    return uuid5(payment_id, f"debt:{n}")


def refund_id_again(command_id: UUID, refused: UUID) -> UUID:
    """The id of a command's next refund after one that was refused: the provider may remember the refused one's key."""
    return uuid5(command_id, str(refused))


def pause_before(tries: int) -> timedelta:
    """How long a debt rests after a refund of it has failed: a minute at first, and four times as long every time."""
    growth: int = 4**tries
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * growth)


class PaymentNotFound(NotFound):
    """There is no such payment, or it is not yours."""


class RefundExceedsPayment(Conflict):
    """This is more than what is left of the payment."""


class RefundRefused(Conflict):
    """The provider does not make this refund: {reason}."""


class CurrencyDiffers(Invalid):
    """A refund is in the payment's currency, {currency}."""
