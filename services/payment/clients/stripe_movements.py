"""Stripe's balance transactions (https://docs.stripe.com/api/balance_transactions), read for reconciliation."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import stripe

from services.payment.domain.reconciliation import Movement, MovementKind, MovementPage

_KINDS: Mapping[str, MovementKind] = {
    "charge": MovementKind.CHARGE,
    "payment": MovementKind.CHARGE,
    "refund": MovementKind.REFUND,
    "payment_refund": MovementKind.REFUND,
    "refund_failure": MovementKind.REFUND_FAILURE,
    "payment_failure_refund": MovementKind.REFUND_FAILURE,
    "payout": MovementKind.PAYOUT,
    "payout_failure": MovementKind.PAYOUT,
    "payout_cancel": MovementKind.PAYOUT,
    "stripe_fee": MovementKind.FEE,
    "stripe_fx_fee": MovementKind.FEE,
}
_DISPUTES = frozenset({"dispute", "dispute_reversal"})


def page_of(answer: stripe.ListObject[stripe.BalanceTransaction]) -> MovementPage:
    """A page as it was answered."""
    movements = [_movement(one) for one in answer.data]
    return MovementPage(movements=movements, after=movements[-1].id if answer.has_more and movements else None)


def _movement(one: stripe.BalanceTransaction) -> Movement:
    source: Any = one.source
    metadata: Any = getattr(source, "metadata", None) or {}
    return Movement(
        id=one.id,
        kind=_kind(one),
        amount_minor=one.amount,
        fee_minor=one.fee,
        currency=one.currency.upper(),
        created_at=datetime.fromtimestamp(one.created, UTC),
        source=getattr(source, "id", source),
        intent_id=_id_of(getattr(source, "payment_intent", None)),
        order_id=_uuid(getattr(metadata, "order_id", None)),
        refund_id=_uuid(getattr(metadata, "refund_id", None)),
    )


def _kind(one: stripe.BalanceTransaction) -> MovementKind:
    if one.reporting_category in _DISPUTES:
        return MovementKind.DISPUTE
    return _KINDS.get(one.type, MovementKind.OTHER)


def _id_of(named: Any) -> str | None:  # noqa: ANN401 - an id, or the object that has it
    found: str | None = getattr(named, "id", named)
    return found


def _uuid(written: str | None) -> UUID | None:
    try:
        return UUID(written) if written else None
    except ValueError:
        return None
