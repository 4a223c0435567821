"""The provider's door: signed events."""

from typing import Annotated

from fastapi import APIRouter, Header, Request
from pydantic import BaseModel

from services.payment.api.till import OwnTill
from services.payment.operations import hearing
from services.shared.identity import Anyone
from services.shared.runtime import Now

router = APIRouter(tags=["payment"])


class Received(BaseModel):
    """The event is kept."""

    received: bool = True


@router.post("/webhooks/stripe", summary="Take an event of Stripe")
async def take_stripe_event(
    _: Anyone,
    request: Request,
    till: OwnTill,
    now: Now,
    stripe_signature: Annotated[str | None, Header()] = None,
) -> Received:
    """Keep a signed event once; it is acted on afterwards."""
    await hearing.hear(till, await request.body(), stripe_signature, at=now)
    return Received()
