"""From rows to what they stand for."""

from typing import Any

from sqlalchemy import Row

from services.payment.domain.attempts import Attempt, AttemptStatus
from services.payment.domain.disputes import Dispute
from services.payment.domain.intents import DisputeStatus, RefundStatus
from services.payment.domain.payables import Payable, PayableState
from services.payment.domain.payment import Payment, PaymentStatus
from services.payment.domain.refunds import Refund


def payable(row: Row[Any]) -> Payable:
    """From the columns of `payable`."""
    return Payable(
        order_id=row.order_id,
        user_id=row.user_id,
        amount_minor=row.amount_minor,
        currency=row.currency,
        state=PayableState(row.state),
        order_version=row.order_version,
        order_status=row.order_status,
        is_cancelled=row.is_cancelled,
    )


def payment(row: Row[Any]) -> Payment:
    """From the columns of `payment`."""
    return Payment(
        id=row.id,
        order_id=row.order_id,
        user_id=row.user_id,
        status=PaymentStatus(row.status),
        amount_minor=row.amount_minor,
        currency=row.currency,
        captured_minor=row.captured_minor,
        refunded_minor=row.refunded_minor,
        disputed_minor=row.disputed_minor,
        lost_minor=row.lost_minor,
        owed_minor=row.owed_minor,
        intent_id=row.intent_id,
        version=row.version,
        created_at=row.created_at,
    )


def attempt(row: Row[Any]) -> Attempt:
    """From the columns of `attempt`, where `id`, `status` and `tries` are named `attempt_...`."""
    return Attempt(
        id=row.attempt_id,
        n=row.n,
        payment_method=row.payment_method,
        status=AttemptStatus(row.attempt_status),
        fingerprint=row.fingerprint,
        decline_code=row.decline_code,
        action_type=row.action_type,
        action_url=row.action_url,
        is_answered=row.is_answered,
        tries=row.attempt_tries,
        at=row.at,
    )


def refund(row: Row[Any]) -> Refund:
    """From the columns of `refund`."""
    return Refund(
        id=row.id,
        payment_id=row.payment_id,
        amount_minor=row.amount_minor,
        currency=row.currency,
        reason=row.reason,
        status=RefundStatus(row.status),
        provider_reference=row.provider_reference,
        is_answered=row.is_answered,
        is_promised=row.is_promised,
        is_automatic=row.is_automatic,
        tries=row.tries,
        created_at=row.created_at,
    )


def dispute(row: Row[Any]) -> Dispute:
    """From the columns of `dispute`."""
    return Dispute(
        id=row.id,
        payment_id=row.payment_id,
        amount_minor=row.amount_minor,
        currency=row.currency,
        reason=row.reason,
        status=DisputeStatus(row.status),
        opened_at=row.opened_at,
        updated_at=row.updated_at,
    )
