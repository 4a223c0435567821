"""The HTTP door: Stripe's routes, and beside them what only a stand-in has."""

from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response

from services.local.stripe_server import calls, challenge, intents, listing, refunds
from services.local.stripe_server.calls import Call, Server
from services.local.stripe_server.faults import Fault

router = APIRouter()

Called = Annotated[Call, Depends(calls.receive)]
Resource = Literal["payment_intents", "charges", "refunds", "events", "balance_transactions", "payment_methods"]


@router.post("/v1/payment_intents")
async def create_intent(call: Called) -> Response:
    """Open a PaymentIntent."""
    return await call.run("create", intents.create)


@router.post("/v1/payment_intents/{intent_id}/confirm")
async def confirm_intent(intent_id: str, call: Called) -> Response:
    """Try to take the money."""
    return await call.run("confirm", partial(intents.confirm, intent_id=intent_id))


@router.post("/v1/payment_intents/{intent_id}/cancel")
async def cancel_intent(intent_id: str, call: Called) -> Response:
    """Give a PaymentIntent up."""
    return await call.run("cancel", partial(intents.cancel, intent_id=intent_id))


@router.post("/v1/refunds")
async def create_refund(call: Called) -> Response:
    """Give money back."""
    return await call.run("refund", refunds.create)


@router.get("/v1/{resource}")
async def read_page(resource: Resource, call: Called) -> Response:
    """A page of objects."""
    return await call.run("list", partial(listing.page, resource=resource))


@router.get("/v1/{resource}/{object_id}")
async def read_one(resource: Resource, object_id: str, call: Called) -> Response:
    """One object."""
    return await call.run("retrieve", partial(listing.retrieve, resource=resource, object_id=object_id))


@router.get("/_stand-in/authenticate/{client_secret}")
async def show_challenge(client_secret: str) -> Response:
    """The page on which a customer authenticates."""
    return challenge.page(client_secret)


@router.post("/_stand-in/authenticate/{client_secret}/{outcome}")
async def finish_challenge(client_secret: str, outcome: Literal["pass", "fail"], request: Request) -> Response:
    """What the customer pressed."""
    return challenge.finish(_server(request), client_secret, passed=outcome == "pass")


@router.post("/_stand-in/faults", status_code=204)
async def add_fault(fault: Fault, request: Request) -> None:
    """Let the next calls of a kind go wrong."""
    _server(request).faults.add(fault)


@router.delete("/_stand-in/faults", status_code=204)
async def clear_faults(request: Request) -> None:
    """Let everything go well again."""
    _server(request).faults.clear()


@router.get("/healthz")
async def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


def _server(request: Request) -> Server:
    server: Server = request.app.state.server
    return server
