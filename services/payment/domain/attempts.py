"""Attempts to pay: at most one is open, and each is one confirmation at the provider."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from services.payment.domain.intents import NextAction
from services.shared.errors import Conflict, Declined, Invalid, NotFound

KEYS_HOLD = timedelta(hours=23)
"""How long a call may be repeated under its key: the provider may forget keys after 24 hours and execute again."""
STICKY_TRIES = 3
"""After so many errors of the provider for one key, it is taken to give that error for ever."""
CANCELED = "canceled"
SUPERSEDED = "superseded"
PROCESSING_ERROR = "processing_error"
"""Decline codes that are ours: the order was given up, another attempt took over, the provider broke down."""


class AttemptStatus(StrEnum):
    """Where an attempt stands; only `failed` (refused before it was tried) lets its key run again."""

    OPEN = "open"
    REQUIRES_ACTION = "requires_action"
    SUCCEEDED = "succeeded"
    DECLINED = "declined"
    FAILED = "failed"


AWAITED = frozenset({AttemptStatus.OPEN, AttemptStatus.REQUIRES_ACTION})
"""States whose outcome is still to come."""


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One try to pay. `is_answered` says that its request was told `pending` and that its key holds that answer."""

    id: UUID
    n: int
    payment_method: str
    status: AttemptStatus
    fingerprint: str
    decline_code: str | None
    action_type: str | None
    action_url: str | None
    is_answered: bool
    tries: int
    at: datetime

    @property
    def next_action(self) -> NextAction | None:
        """What the customer has to do, while that is awaited."""
        if self.status is not AttemptStatus.REQUIRES_ACTION or self.action_type is None:
            return None
        return NextAction(type=self.action_type, url=self.action_url)

    @property
    def is_awaited(self) -> bool:
        """Whether its outcome is still to come."""
        return self.status in AWAITED


class OrderNotFound(NotFound):
    """There is no such order, or it is not yours."""


class OrderNotPayable(Conflict):
    """The order cannot be paid any more."""


class OrderAlreadyPaid(Conflict):
    """The order is paid."""


class PaymentInProgress(Conflict):
    """Another attempt to pay this order is still open."""


class PaymentNotDone(Declined):
    """The payment was declined."""

    slug = "payment-declined"


class InvalidPaymentMethod(Invalid):
    """The payment method is unknown to the provider or cannot be used for this."""


class PaymentRefused(Invalid):
    """The provider does not take this payment: {reason}."""


class CardDataRefused(Invalid):
    """The body holds something like a card number. Send a payment method's token; card numbers never come here."""
