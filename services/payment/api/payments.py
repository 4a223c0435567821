"""Payments and refunds."""

from http import HTTPStatus
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Response

from services.payment.api.card_data import CardDataFree
from services.payment.api.shapes import PayBody, PaymentAccountShape, PaymentShape, RefundBody, RefundShape
from services.payment.api.till import OwnTill
from services.payment.domain.attempts import AttemptStatus
from services.payment.operations import paying, reading, refunding
from services.payment.operations.paying import Pay
from services.payment.operations.refunding import AskRefund
from services.shared.database import Transaction
from services.shared.idempotency import REPLAYED, Fingerprint, IdempotencyKey, command_id
from services.shared.identity import Customer, Staff
from services.shared.runtime import Now

router = APIRouter(tags=["payment"])

_PENDING: dict[int | str, dict[str, Any]] = {
    202: {"model": PaymentShape, "description": "The outcome is not known yet, or the customer has to act."},
    402: {"description": "Declined, with `decline_code` and `payment_id`."},
}


@router.post("/payments", status_code=201, summary="Pay an order", responses=_PENDING)
async def pay(  # noqa: PLR0913, PLR0917 - what a command that moves money needs to be one
    customer: Customer,
    _: CardDataFree,
    key: IdempotencyKey,
    fingerprint: Fingerprint,
    body: PayBody,
    till: OwnTill,
    now: Now,
    response: Response,
) -> PaymentShape:
    """Try to pay an order; after a decline a new key is another attempt."""
    command = Pay(
        id=command_id(customer.id, "pay", key),
        user_id=customer.id,
        order_id=body.order_id,
        payment_method=body.payment_method,
        fingerprint=fingerprint,
    )
    paid = await paying.pay(till, command, at=now)
    if paid.tried.attempt.status is not AttemptStatus.SUCCEEDED:
        response.status_code = HTTPStatus.ACCEPTED
    if paid.is_replay:
        response.headers.update(REPLAYED)
    return PaymentShape.of(paid.tried.payment, paid.tried.attempt)


@router.get("/payments/{payment_id}", summary="Read a payment")
async def get_payment(customer: Customer, payment_id: UUID, session: Transaction) -> PaymentAccountShape:
    """A payment with its attempts and refunds, for its customer and for staff."""
    return PaymentAccountShape.of_account(await reading.read(session, payment_id, reader=customer))


@router.post("/payments/{payment_id}/refund", status_code=201, summary="Refund a payment")
async def refund_payment(  # noqa: PLR0913, PLR0917 - what a command that moves money needs to be one
    staff: Staff,
    _: CardDataFree,
    payment_id: UUID,
    key: IdempotencyKey,
    fingerprint: Fingerprint,
    body: RefundBody,
    till: OwnTill,
    now: Now,
    response: Response,
) -> RefundShape:
    """Give money back; all of it, for an order that has not been shipped, cancels the order."""
    ask = AskRefund(
        id=command_id(staff.id, "refund", key),
        payment_id=payment_id,
        amount=body.amount,
        reason=body.reason,
        fingerprint=fingerprint,
        token=staff.token,
    )
    refunded = await refunding.refund(till, ask, at=now)
    if refunded.is_replay:
        response.headers.update(REPLAYED)
    return RefundShape.of(refunded.refund)
