"""What happens to payments."""

from typing import ClassVar, Literal
from uuid import UUID

from services.contracts.events.event import Event, Topic
from services.contracts.money import Money


class PaymentEvent(Event):
    """A change of an order's one payment; carries the payment after it.

    `status` says where its money stands by captures and refunds; disputes are told beside it.
    """

    TOPIC: ClassVar[Topic] = Topic.PAYMENTS

    payment_id: UUID
    order_id: UUID
    user_id: UUID
    status: str
    amount: Money
    captured_amount: Money
    refunded_amount: Money

    @property
    def aggregate_id(self) -> UUID:
        """The payment."""
        return self.payment_id


class PaymentSucceeded(PaymentEvent):
    """The order's total was captured."""

    TYPE: ClassVar[str] = "payment.succeeded"


class PaymentDeclined(PaymentEvent):
    """An attempt failed; the order stays as it is."""

    TYPE: ClassVar[str] = "payment.declined"

    attempt: int
    decline_code: str


class PaymentActionRequired(PaymentEvent):
    """The customer has to authenticate before the attempt can go on."""

    TYPE: ClassVar[str] = "payment.action_required"

    attempt: int


class PaymentRefunded(PaymentEvent):
    """A refund went through; `refunded_amount` includes it."""

    TYPE: ClassVar[str] = "payment.refunded"

    refund_id: UUID
    refund_amount: Money
    reason: str | None = None


class PaymentRefundFailed(PaymentEvent):
    """A refund failed; its debt is open again."""

    TYPE: ClassVar[str] = "payment.refund_failed"

    refund_id: UUID
    refund_amount: Money
    reason: str | None = None


class PaymentDisputed(PaymentEvent):
    """The customer's bank disputes the payment; refunds wait until that is decided."""

    TYPE: ClassVar[str] = "payment.disputed"

    dispute_id: str
    """The provider's id of it."""
    dispute_amount: Money
    reason: str


class PaymentDisputeClosed(PaymentEvent):
    """A dispute is decided: won, and the money stays ours, or lost, and it went back to the customer."""

    TYPE: ClassVar[str] = "payment.dispute_closed"

    dispute_id: str
    dispute_amount: Money
    outcome: Literal["won", "lost"]
