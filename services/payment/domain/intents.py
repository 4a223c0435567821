"""The provider's objects, reduced to what decides something here."""

from dataclasses import dataclass
from enum import StrEnum


class IntentStatus(StrEnum):
    """The life of a PaymentIntent (https://docs.stripe.com/payments/paymentintents/lifecycle)."""

    REQUIRES_PAYMENT_METHOD = "requires_payment_method"
    REQUIRES_CONFIRMATION = "requires_confirmation"
    REQUIRES_ACTION = "requires_action"
    REQUIRES_CAPTURE = "requires_capture"
    PROCESSING = "processing"
    SUCCEEDED = "succeeded"
    CANCELED = "canceled"


UNSETTLED = frozenset({IntentStatus.PROCESSING, IntentStatus.REQUIRES_CAPTURE})
"""States in which the provider itself does not know yet."""
FINAL = frozenset({IntentStatus.SUCCEEDED, IntentStatus.CANCELED})
"""States that no call changes any more."""


@dataclass(frozen=True, kw_only=True)
class NextAction:
    """What the customer has to do before the attempt can go on."""

    type: str
    url: str | None


@dataclass(frozen=True, kw_only=True)
class Intent:
    """A PaymentIntent as it stands; `received_minor` is what was captured, `decline_code` why the last try failed."""

    id: str
    status: IntentStatus
    received_minor: int = 0
    decline_code: str | None = None
    next_action: NextAction | None = None


class RefundStatus(StrEnum):
    """The life of a refund, here and at the provider."""

    PENDING = "pending"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class ProviderRefund:
    """A refund as the provider has it."""

    id: str
    status: RefundStatus


class DisputeStatus(StrEnum):
    """The life of a dispute (https://docs.stripe.com/disputes/how-disputes-work), reduced to what it does to money.

    An inquiry moves none, and a refund ends it; one that is closed without becoming a dispute is `dropped`.
    """

    INQUIRY = "inquiry"
    DROPPED = "dropped"
    OPEN = "open"
    WON = "won"
    LOST = "lost"


@dataclass(frozen=True, kw_only=True)
class FundsMoved:
    """Money that a dispute took or brought back: positive minor units, and the provider's fee for it.

    `currency` is the one that the provider settles in, which need not be the dispute's.
    """

    amount_minor: int
    fee_minor: int
    currency: str


@dataclass(frozen=True, kw_only=True)
class ProviderDispute:
    """A dispute as the provider has it. `intent_id` is what it disputes."""

    id: str
    intent_id: str | None
    status: DisputeStatus
    amount_minor: int
    currency: str
    reason: str
    withdrawn: FundsMoved | None = None
    reinstated: FundsMoved | None = None
