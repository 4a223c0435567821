"""Disputes (https://docs.stripe.com/disputes): the money goes at once, and comes back when the shop wins."""

from collections.abc import Mapping
from typing import Literal

from services.local.stripe_server import charges, fees, money, refusals
from services.local.stripe_server.desk import Desk
from services.local.stripe_server.forms import Form
from services.local.stripe_server.money import Movement
from services.local.stripe_server.objects import StripeObject
from services.local.stripe_server.records import Page

KIND = "dispute"
REASONS = (
    "credit_not_processed",
    "duplicate",
    "fraudulent",
    "general",
    "product_not_received",
    "product_unacceptable",
    "subscription_canceled",
    "unrecognized",
)
OPEN = ("needs_response", "under_review", "warning_needs_response", "warning_under_review")
Outcome = Literal["won", "lost"]
_HARMLESS = ("won", "warning_needs_response", "warning_under_review", "warning_closed")
_REVIEWED: Mapping[str, str] = {
    "needs_response": "under_review",
    "warning_needs_response": "warning_under_review",
}
# The texts with which a test account decides (https://docs.stripe.com/testing#disputes).
_DECIDES: Mapping[str, Outcome] = {"winning_evidence": "won", "losing_evidence": "lost"}
_UPDATE = {"evidence", "submit", "metadata"}


def open_on(
    desk: Desk, charge: StripeObject, *, amount: int | None = None, reason: str = "fraudulent", inquiry: bool = False
) -> StripeObject:
    """The holder of the card complains about a charge, or about a part of it.

    :raises Refusal: when more is disputed than the shop still has of the charge
    """
    disputed = _within(desk, charge, amount)
    dispute = money.dispute(charge, amount=disputed, reason=reason, inquiry=inquiry, now=desk.created)
    if not inquiry:
        dispute["balance_transactions"] = [desk.book(dispute, _withdrawal(dispute))]
    desk.save(dispute)
    desk.save(charge | {"disputed": True})
    desk.tell("charge.dispute.created", dispute)
    if not inquiry:
        desk.tell("charge.dispute.funds_withdrawn", dispute)
    return dispute


def _within(desk: Desk, charge: StripeObject, asked: int | None) -> int:
    left = _left(desk, charge)
    if left <= 0 or (asked is not None and asked > left):
        message = f"Only {left} of charge {charge['id']} can be disputed."
        raise refusals.invalid("amount", message, "amount_too_large")
    return left if asked is None else asked


def _left(desk: Desk, charge: StripeObject) -> int:
    taken = sum(one["amount"] for one in _about(desk, charge) if one["status"] not in _HARMLESS)
    left: int = charge["amount_captured"] - charge["amount_refunded"] - taken
    return left


def _about(desk: Desk, charge: StripeObject) -> list[StripeObject]:
    disputes, _ = desk.records.page(KIND, Page(limit=100, equal=(("charge", charge["id"]),)))
    return disputes


def _withdrawal(dispute: StripeObject) -> Movement:
    return Movement(
        type="adjustment",
        amount=-dispute["amount"],
        fee=fees.OF_A_DISPUTE,
        description=f"Chargeback withdrawal for {dispute['charge']}",
        fee_description="Dispute fee",
        reporting_category="dispute",
    )


def _reinstatement(dispute: StripeObject) -> Movement:
    return Movement(
        type="adjustment",
        amount=dispute["amount"],
        description=f"Chargeback reversal for {dispute['charge']}",
        reporting_category="dispute_reversal",
    )


def require_refundable(desk: Desk, charge: StripeObject) -> None:
    """Refuse to refund what the card's issuer has taken back, or may still keep.

    :raises Refusal: when a dispute about the charge is open or lost; an inquiry takes nothing
    """
    if any(one["status"] not in _HARMLESS for one in _about(desk, charge)):
        message = f"Charge {charge['id']} has been charged back; cannot issue a refund."
        raise refusals.unrefundable(message, code="charge_disputed")


def close(desk: Desk, dispute: StripeObject, *, outcome: Outcome) -> StripeObject:
    """The issuer has decided. What was won comes back, without the fee; an inquiry had taken nothing.

    :raises Refusal: when the dispute is closed already
    """
    if dispute["status"] not in OPEN:
        raise refusals.closed_dispute(dispute)
    inquiry = dispute["status"].startswith("warning")
    dispute["status"] = "warning_closed" if inquiry else outcome
    if outcome == "won" and not inquiry:
        dispute["balance_transactions"] += [desk.book(dispute, _reinstatement(dispute))]
        desk.tell("charge.dispute.funds_reinstated", dispute)
    desk.tell("charge.dispute.closed", dispute)
    return desk.save(dispute)


def accept(desk: Desk, form: Form, *, dispute_id: str) -> StripeObject:
    """The shop gives in: the dispute is lost.

    :raises Refusal: when it is closed already
    """
    form.only(())
    return close(desk, desk.get(KIND, dispute_id), outcome="lost")


def update(desk: Desk, form: Form, *, dispute_id: str) -> StripeObject:
    """The shop answers: its evidence is kept, and reviewed once it is submitted (which it is unless told otherwise).

    :raises Refusal: on bad parameters, and when the dispute waits for no answer
    """
    form.only(_UPDATE)
    evidence, metadata, submit = form.mapping("evidence"), form.mapping("metadata"), form.flag("submit", absent=True)
    Form(evidence).only(money.EVIDENCE)
    dispute = desk.get(KIND, dispute_id)
    if evidence and dispute["status"] not in _REVIEWED:
        raise refusals.closed_dispute(dispute)
    dispute["evidence"] |= evidence
    dispute["metadata"] |= metadata
    if evidence:
        dispute["evidence_details"]["has_evidence"] = True
        if submit:
            _submit(desk, dispute)
    desk.tell("charge.dispute.updated", dispute)
    return desk.save(dispute)


def _submit(desk: Desk, dispute: StripeObject) -> None:
    dispute["status"] = _REVIEWED[dispute["status"]]
    dispute["evidence_details"]["submission_count"] += 1
    if dispute["evidence"]["uncategorized_text"] in _DECIDES:
        desk.later(dispute)


def decide(desk: Desk, dispute: StripeObject) -> None:
    """The time has come: the evidence wins or loses, unless the dispute was closed by hand."""
    if dispute["status"] in OPEN:
        close(desk, dispute, outcome=_DECIDES[dispute["evidence"]["uncategorized_text"]])


def strike(desk: Desk, charge: StripeObject) -> None:
    """The time has come: the holder of a card that disputes complains, unless no money is left to dispute."""
    fate = charges.card_of(charge).dispute
    if fate is not None and _left(desk, charge) > 0:
        open_on(desk, charge, reason=fate.reason, inquiry=fate.inquiry)
