"""The payment of an order: its table of moves, and the facts that its changes make."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid5

from services.contracts.events import (
    PaymentActionRequired,
    PaymentDeclined,
    PaymentDisputeClosed,
    PaymentDisputed,
    PaymentRefunded,
    PaymentRefundFailed,
    PaymentSucceeded,
)
from services.contracts.money import Money
from services.payment.domain.disputes import Dispute
from services.payment.domain.intents import DisputeStatus


class PaymentStatus(StrEnum):
    """Where a payment stands."""

    PENDING = "pending"
    REQUIRES_ACTION = "requires_action"
    FAILED = "failed"
    SUCCEEDED = "succeeded"
    PARTIALLY_REFUNDED = "partially_refunded"
    REFUNDED = "refunded"


_PAID = frozenset({PaymentStatus.SUCCEEDED, PaymentStatus.PARTIALLY_REFUNDED, PaymentStatus.REFUNDED})

MOVES: Mapping[PaymentStatus, frozenset[PaymentStatus]] = {
    PaymentStatus.PENDING: frozenset({PaymentStatus.REQUIRES_ACTION, PaymentStatus.FAILED, PaymentStatus.SUCCEEDED}),
    PaymentStatus.REQUIRES_ACTION: frozenset({PaymentStatus.PENDING, PaymentStatus.FAILED, PaymentStatus.SUCCEEDED}),
    PaymentStatus.FAILED: frozenset({PaymentStatus.PENDING, PaymentStatus.SUCCEEDED}),
    PaymentStatus.SUCCEEDED: _PAID,
    PaymentStatus.PARTIALLY_REFUNDED: _PAID,
    PaymentStatus.REFUNDED: _PAID,
}
"""A failed payment succeeds when the provider turns out to have the money; a refund that fails later moves back."""


class PaymentMoveImpossible(Exception):
    """A payment was asked to make a move that its table does not have: a bug, or a provider that contradicts itself."""


@dataclass(kw_only=True)
class Payment:
    """The one payment of an order. `version` counts its facts; amounts are in minor units of `currency`.

    `disputed_minor` is what open disputes are about and `lost_minor` what lost ones took; `owed_minor` is what was
    promised to the customer and has not gone back yet.
    """

    id: UUID
    order_id: UUID
    user_id: UUID
    status: PaymentStatus
    amount_minor: int
    currency: str
    captured_minor: int
    refunded_minor: int
    disputed_minor: int = 0
    lost_minor: int = 0
    owed_minor: int = 0
    intent_id: str | None
    version: int
    created_at: datetime

    @property
    def amount(self) -> Money:
        """What the order costs."""
        return self.money(self.amount_minor)

    @property
    def is_captured(self) -> bool:
        """Whether the money was taken, refunded since or not."""
        return self.captured_minor > 0

    @property
    def is_disputed(self) -> bool:
        """Whether a dispute is open."""
        return self.disputed_minor > 0

    @property
    def kept_minor(self) -> int:
        """What the shop still has of the capture, as far as it is decided."""
        return self.captured_minor - self.refunded_minor - self.lost_minor

    def money(self, minor: int) -> Money:
        """So many minor units of the payment's currency."""
        return Money.of(minor, self.currency)

    def succeed(self, *, captured_minor: int, at: datetime) -> PaymentSucceeded:
        """The provider has captured the money."""
        self.captured_minor = captured_minor
        self._move(PaymentStatus.SUCCEEDED)
        return PaymentSucceeded(**self._after(at))

    def decline(self, *, attempt: int, code: str, at: datetime) -> PaymentDeclined:
        """An attempt failed; another may follow."""
        self._move(PaymentStatus.FAILED)
        return PaymentDeclined(**self._after(at), attempt=attempt, decline_code=code)

    def await_customer(self, *, attempt: int, at: datetime) -> PaymentActionRequired:
        """The customer has to authenticate."""
        self._move(PaymentStatus.REQUIRES_ACTION)
        return PaymentActionRequired(**self._after(at), attempt=attempt)

    def refund(self, *, refund_id: UUID, minor: int, reason: str | None, at: datetime) -> PaymentRefunded:
        """A refund went through, and so much less is owed."""
        self.refunded_minor += minor
        self.owed_minor -= minor
        self._move(self._by_refunds())
        amount = self.money(minor)
        return PaymentRefunded(**self._after(at), refund_id=refund_id, refund_amount=amount, reason=reason)

    def fail_refund(
        self, *, refund_id: UUID, minor: int, reason: str | None, was_counted: bool, at: datetime
    ) -> PaymentRefundFailed:
        """A refund failed: its debt is open again. `was_counted` says that it had gone through before."""
        if was_counted:
            self.refunded_minor -= minor
            self.owed_minor += minor
        self._move(self._by_refunds())
        amount = self.money(minor)
        return PaymentRefundFailed(**self._after(at), refund_id=refund_id, refund_amount=amount, reason=reason)

    def dispute(self, dispute: Dispute, *, at: datetime) -> PaymentDisputed:
        """The customer's bank wants money back."""
        self.disputed_minor += dispute.amount_minor
        return PaymentDisputed(**self._after(at), **self._of(dispute), reason=dispute.reason)

    def close_dispute(self, dispute: Dispute, *, was: DisputeStatus, at: datetime) -> PaymentDisputeClosed:
        """The bank has decided, or has thought better of what it had decided."""
        self.disputed_minor -= dispute.amount_minor if was is not DisputeStatus.LOST else 0
        if dispute.status is DisputeStatus.LOST:
            self.lost_minor += dispute.amount_minor
            return PaymentDisputeClosed(**self._after(at), **self._of(dispute), outcome="lost")
        self.lost_minor -= dispute.amount_minor if was is DisputeStatus.LOST else 0
        return PaymentDisputeClosed(**self._after(at), **self._of(dispute), outcome="won")

    def _of(self, dispute: Dispute) -> dict[str, Any]:
        return {"dispute_id": dispute.id, "dispute_amount": self.money(dispute.amount_minor)}

    def give_up(self) -> None:
        """An attempt ended before it was tried: nothing happened that anybody has to hear of."""
        self._move(PaymentStatus.FAILED)

    def _by_refunds(self) -> PaymentStatus:
        if self.refunded_minor == 0:
            return PaymentStatus.SUCCEEDED
        whole = self.refunded_minor == self.captured_minor
        return PaymentStatus.REFUNDED if whole else PaymentStatus.PARTIALLY_REFUNDED

    def _move(self, to: PaymentStatus) -> None:
        if to not in MOVES[self.status]:
            raise PaymentMoveImpossible(f"{self.status} -> {to}")
        self.status = to

    def _after(self, at: datetime) -> dict[str, Any]:
        self.version += 1
        return {
            "version": self.version,
            "at": at,
            "payment_id": self.id,
            "order_id": self.order_id,
            "user_id": self.user_id,
            "status": self.status,
            "amount": self.amount,
            "captured_amount": self.money(self.captured_minor),
            "refunded_amount": self.money(self.refunded_minor),
        }


def payment_id_of(order_id: UUID) -> UUID:
    """The id of an order's one payment."""
    return uuid5(order_id, "payment")
