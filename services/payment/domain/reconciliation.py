"""Reconciliation: what the provider says it moved, and how that may differ from orders, payments and the ledger."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from services.shared.errors import Conflict, NotFound, Unavailable


class MovementKind(StrEnum):
    """What a movement of the provider's balance is, reduced to how it is booked here.

    https://docs.stripe.com/reports/balance-transaction-types
    """

    CHARGE = "charge"
    REFUND = "refund"
    REFUND_FAILURE = "refund_failure"
    DISPUTE = "dispute"
    PAYOUT = "payout"
    FEE = "fee"
    OTHER = "other"
    """Nothing that this service causes: a person has to look at it."""


@dataclass(frozen=True, kw_only=True)
class Movement:
    """A movement of the provider's balance, in minor units: positive into it, negative out of it, the fee apart.

    `source` is the charge, refund, dispute or payout that it comes from; `intent_id`, `order_id` and `refund_id` are
    what that source tells of ours. `created_at` has whole seconds and is told by the provider's clock.
    """

    id: str
    kind: MovementKind
    amount_minor: int
    fee_minor: int
    currency: str
    created_at: datetime
    source: str | None = None
    intent_id: str | None = None
    order_id: UUID | None = None
    refund_id: UUID | None = None


@dataclass(frozen=True, kw_only=True)
class MovementPage:
    """A page of movements, newest first; `after` asks for the next and is None on the last."""

    movements: Sequence[Movement]
    after: str | None


class Subject(StrEnum):
    """What a difference is about."""

    CHARGE = "charge"
    REFUND = "refund"
    DISPUTE = "dispute"
    FEE = "fee"
    PAYOUT = "payout"
    ORDER = "order"
    OTHER = "other"


class DifferenceClass(StrEnum):
    """How two of the three books differ."""

    MISSING_HERE = "missing_here"
    """The provider moved money that is not recorded here, or a record is not in the ledger."""
    MISSING_THERE = "missing_there"
    """It is recorded here and the provider did not move it."""
    AMOUNT = "amount"
    CURRENCY = "currency"
    SETTLEMENT = "settlement"
    """The provider's balance moved in another currency than the payment has: no sums can be compared."""
    STATE = "state"
    """An order, a payment or a refund says something else of itself than its money does."""
    DUPLICATE = "duplicate"
    """The provider moved it more than once."""
    ORPHAN_ORDER = "orphan_order"
    """The provider has money for an order that nobody here knows."""
    LATE = "late"
    """It differs, and is young enough to come right by itself."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that differs, with what each of the books says of it in minor units (None: nothing)."""

    id: int
    subject: Subject
    subject_id: str
    difference: DifferenceClass
    order_id: UUID | None
    payment_id: UUID | None
    reference: str | None
    currency: str
    order_minor: int | None
    here_minor: int | None
    ledger_minor: int | None
    provider_minor: int | None
    first_seen: datetime
    last_seen: datetime


@dataclass(frozen=True, kw_only=True)
class Repairable:
    """A difference that can be repaired safely. `refund_id` is the refund that it is about, when there is one here."""

    id: int
    subject: Subject
    subject_id: str
    payment_id: UUID
    reference: str
    refund_id: UUID | None
    provider_minor: int


class RunStatus(StrEnum):
    """How far a run has come; one whose process died stays `running` and is overtaken by the next."""

    RUNNING = "running"
    COMPLETE = "complete"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Sums:
    """What the books say of one kind of movement in one currency; None where a book has no opinion."""

    currency: str
    movement: str
    orders_minor: int | None
    ledger_minor: int
    provider_minor: int


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run. The period is told by the provider's clock; without movements there is none.

    It compared what had changed since `compared_since`, and what differed; None: everything.
    """

    id: int
    status: RunStatus
    began_at: datetime
    ended_at: datetime | None
    compared_since: datetime | None
    period_from: datetime | None
    period_to: datetime | None
    counts: dict[str, int]
    sums: list[Sums]


class NothingReconciled(NotFound):
    """Nothing has been reconciled yet."""


class ReconciliationRunning(Conflict):
    """A reconciliation is running already."""


class ProviderUnreadable(Unavailable):
    """The payment provider does not let its balance be read for the moment; try again."""
