"""The HTTP door: Stripe's routes."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from services.local.stripe_server import calls, captures, checkout, disputes, intents, listing, payouts, refunds
from services.local.stripe_server.calls import Call

router = APIRouter()

Called = Annotated[Call, Depends(calls.receive)]


@router.post("/v1/payment_intents")
async def create_intent(call: Called) -> Response:
    """Open a PaymentIntent."""
    return await call.run("create", intents.create)


@router.post("/v1/payment_intents/{intent_id}/confirm")
async def confirm_intent(intent_id: str, call: Called) -> Response:
    """Try to take the money."""
    return await call.run("confirm", partial(intents.confirm, intent_id=intent_id))


@router.post("/v1/payment_intents/{intent_id}/capture")
async def capture_intent(intent_id: str, call: Called) -> Response:
    """Take what was promised."""
    return await call.run("capture", partial(captures.capture, intent_id=intent_id))


@router.post("/v1/payment_intents/{intent_id}/cancel")
async def cancel_intent(intent_id: str, call: Called) -> Response:
    """Give a PaymentIntent up."""
    return await call.run("cancel", partial(intents.cancel, intent_id=intent_id))


@router.post("/v1/refunds")
async def create_refund(call: Called) -> Response:
    """Give money back."""
    return await call.run("refund", refunds.create)


@router.post("/v1/disputes/{dispute_id}")
async def update_dispute(dispute_id: str, call: Called) -> Response:
    """Answer a dispute with evidence."""
    return await call.run("update_dispute", partial(disputes.update, dispute_id=dispute_id))


@router.post("/v1/disputes/{dispute_id}/close")
async def accept_dispute(dispute_id: str, call: Called) -> Response:
    """Give a dispute up."""
    return await call.run("close_dispute", partial(disputes.accept, dispute_id=dispute_id))


@router.post("/v1/checkout/sessions")
async def create_session(call: Called) -> Response:
    """Open a Checkout Session."""
    return await call.run("create_session", checkout.create)


@router.post("/v1/checkout/sessions/{session_id}/expire")
async def expire_session(session_id: str, call: Called) -> Response:
    """Give a Checkout Session up."""
    return await call.run("expire_session", partial(checkout.expire, session_id=session_id))


@router.get("/v1/checkout/sessions")
async def read_sessions(call: Called) -> Response:
    """A page of Checkout Sessions."""
    return await call.run("list", partial(listing.page, resource="checkout/sessions"))


@router.get("/v1/checkout/sessions/{session_id}")
async def read_session(session_id: str, call: Called) -> Response:
    """One Checkout Session."""
    return await call.run("retrieve", partial(checkout.retrieve, session_id=session_id))


@router.get("/v1/checkout/sessions/{session_id}/line_items")
async def read_line_items(session_id: str, call: Called) -> Response:
    """What is bought in a Checkout Session."""
    return await call.run("list", partial(checkout.line_items, session_id=session_id))


@router.get("/v1/balance")
async def read_balance(call: Called) -> Response:
    """What is ours."""
    return await call.run("retrieve", payouts.balance)


@router.get("/v1/{resource}")
async def read_page(resource: str, call: Called) -> Response:
    """A page of objects."""
    return await call.run("list", partial(listing.page, resource=resource))


@router.get("/v1/{resource}/{object_id}")
async def read_one(resource: str, object_id: str, call: Called) -> Response:
    """One object."""
    return await call.run("retrieve", partial(listing.retrieve, resource=resource, object_id=object_id))


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.api_route("/v1/{path:path}", methods=["GET", "POST", "DELETE"])
async def read_nothing(path: str, call: Called) -> Response:
    """What is not known here."""
    return await call.run("unknown", partial(listing.unknown, path=path))
