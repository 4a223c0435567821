"""Disputes: what a customer's bank wants back. One that is open keeps refunds waiting, a lost one is money gone."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.payment.domain.intents import DisputeStatus
from services.shared.errors import Conflict

FORMAL = frozenset({DisputeStatus.OPEN, DisputeStatus.WON, DisputeStatus.LOST})
"""What has become a dispute, decided or not; an inquiry is none yet."""
DECIDED = frozenset({DisputeStatus.WON, DisputeStatus.LOST})

MOVES: Mapping[DisputeStatus, frozenset[DisputeStatus]] = {
    DisputeStatus.INQUIRY: frozenset({DisputeStatus.DROPPED}) | FORMAL,
    DisputeStatus.DROPPED: FORMAL,
    DisputeStatus.OPEN: DECIDED,
    DisputeStatus.WON: frozenset(),
    DisputeStatus.LOST: frozenset({DisputeStatus.WON}),
}
"""Whatever else is read of a dispute is old news. A lost one is won by an appeal."""


@dataclass(frozen=True, kw_only=True)
class Dispute:
    """A dispute as it is known here. `id` is the provider's; the amount is in minor units of `currency`."""

    id: str
    payment_id: UUID
    amount_minor: int
    currency: str
    reason: str
    status: DisputeStatus
    opened_at: datetime
    updated_at: datetime


class PaymentUnderDispute(Conflict):
    """A dispute of this payment is open; it can be refunded once that is decided."""
