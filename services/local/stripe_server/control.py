"""What only a stand-in has, under `/_stand-in`: no key is needed, bodies and answers are JSON.

| request | what it does |
|---|---|
| `GET /authenticate/{client_secret}` | the issuer's page; `POST …/pass` or `…/fail` is what the customer presses |
| `GET /checkout/{session}` | the page of a Checkout Session; `POST` with `payment_method=pm_card_…` pays |
| `POST /faults` | calls go wrong: `{match, kind, times | probability, seed, seconds}`, see `faults.Fault` |
| | `drop_request`, `error_409`, `error_429`, `error_503`: nothing is executed, and the key stays free |
| | `error_500`: nothing is done, and the key keeps the error; `error_500_after`: all is done, and it does too |
| | `drop_answer`: executed, but no answer comes; `latency`: it takes `seconds` |
| `GET /faults`, `DELETE /faults` | what was asked for and how often it has struck; let everything go well again |
| `POST /clock` | `{"advance_seconds": N}`: the clock is put forward, and what was due by then happens |
| `GET /clock` | `{"now": seconds since the epoch, "ahead_seconds": before the machine's clock}` |
| `POST /payouts` | one payout now for each currency, of what is pending too; answers the payouts |
| `POST /disputes` | `{payment_intent | charge, amount?, reason?, inquiry?}`: a charge is disputed; answers with it |
| `POST /disputes/{id}/close` | `{"outcome": "won" | "lost"}`: the issuer decides; answers the dispute |

What goes wrong with webhooks is asked for in `webhook_control`.
"""

from functools import partial
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Response
from fastapi import Form as FormField
from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt, model_validator

from services.local.stripe_server import challenge, charges, checkout_page, disputes, payouts, timeline
from services.local.stripe_server.calls import Running
from services.local.stripe_server.desk import Desk
from services.local.stripe_server.faults import Fault
from services.local.stripe_server.objects import StripeObject

router = APIRouter(prefix="/_stand-in")


@router.get("/authenticate/{client_secret}")
async def show_challenge(client_secret: str) -> Response:
    """The page on which a customer authenticates."""
    return challenge.page(client_secret)


@router.post("/authenticate/{client_secret}/{outcome}")
async def finish_challenge(client_secret: str, outcome: Literal["pass", "fail"], server: Running) -> Response:
    """What the customer pressed."""
    return challenge.finish(server, client_secret, passed=outcome == "pass")


@router.get("/checkout/{session_id}")
async def show_checkout(session_id: str, server: Running) -> Response:
    """The page of a Checkout Session."""
    return checkout_page.show(server, session_id)


@router.post("/checkout/{session_id}")
async def pay_checkout(session_id: str, payment_method: Annotated[str, FormField()], server: Running) -> Response:
    """The card that the customer chose."""
    return checkout_page.pay(server, session_id, payment_method)


@router.post("/faults", status_code=204)
async def add_fault(fault: Fault, server: Running) -> None:
    """Let the next calls of a kind go wrong."""
    server.faults.add(fault)


@router.get("/faults")
async def read_faults(server: Running) -> list[dict[str, Any]]:
    """What was asked for, and how often it has struck."""
    return server.faults.told()


@router.delete("/faults", status_code=204)
async def clear_faults(server: Running) -> None:
    """Let everything go well again."""
    server.faults.clear()


class Passing(BaseModel):
    """Time that is to pass at once."""

    model_config = ConfigDict(extra="forbid")

    advance_seconds: PositiveFloat


@router.post("/clock")
async def advance_clock(passing: Passing, server: Running) -> dict[str, float]:
    """Let time pass; keys expire, refunds change and payouts are made as they would have."""
    server.clock.advance(passing.advance_seconds)
    server.act(timeline.catch_up)
    return await read_clock(server)


@router.get("/clock")
async def read_clock(server: Running) -> dict[str, float]:
    """What time it is here."""
    return {"now": server.clock(), "ahead_seconds": server.clock.ahead}


@router.post("/payouts")
async def pay_out(server: Running) -> list[StripeObject]:
    """Pay out everything now."""
    return server.act(payouts.run_now)


class Complaint(BaseModel):
    """A charge to be disputed, or a part of it; without an amount, all that the shop still has of it."""

    model_config = ConfigDict(extra="forbid")

    payment_intent: str | None = None
    charge: str | None = None
    amount: PositiveInt | None = None
    reason: Literal[disputes.REASONS] = "fraudulent"  # type: ignore[valid-type]
    inquiry: bool = False

    @model_validator(mode="after")
    def _about_one(self) -> Self:
        if (self.payment_intent is None) == (self.charge is None):
            raise ValueError("either payment_intent or charge")
        return self


class Decision(BaseModel):
    """What the issuer decides."""

    model_config = ConfigDict(extra="forbid")

    outcome: disputes.Outcome


@router.post("/disputes")
async def open_dispute(complaint: Complaint, server: Running) -> StripeObject:
    """Dispute a charge."""
    return server.act(partial(_complain, complaint=complaint))


def _complain(desk: Desk, *, complaint: Complaint) -> StripeObject:
    charge = charges.taken(desk, charge=complaint.charge, payment_intent=complaint.payment_intent or "")
    return disputes.open_on(desk, charge, amount=complaint.amount, reason=complaint.reason, inquiry=complaint.inquiry)


@router.post("/disputes/{dispute_id}/close")
async def close_dispute(dispute_id: str, decision: Decision, server: Running) -> StripeObject:
    """Decide a dispute."""
    return server.act(lambda desk: disputes.close(desk, desk.get(disputes.KIND, dispute_id), outcome=decision.outcome))
