"""Refunds (https://docs.stripe.com/refunds): never more than was captured, and able to fail afterwards."""

from services.local.stripe_server import cards, objects, refusals
from services.local.stripe_server.cards import RefundFate
from services.local.stripe_server.desk import Desk
from services.local.stripe_server.forms import Form
from services.local.stripe_server.objects import StripeObject

KIND = "refund"
REASONS = ("duplicate", "fraudulent", "requested_by_customer")
_CREATE = {"payment_intent", "charge", "amount", "reason", "metadata"}


def create(desk: Desk, form: Form) -> StripeObject:
    """Give back a part of a charge, or what is left of it.

    :raises Refusal: on bad parameters, and when more is asked than is left
    """
    form.only(_CREATE)
    reason, metadata = form.choice("reason", REASONS), form.mapping("metadata")
    asked = _asked(form)
    charge = _charge(desk, form)
    amount = _within(charge, asked)
    fate = cards.by_fingerprint(charge["payment_method_details"]["card"]["fingerprint"]).refund
    status = "pending" if fate is RefundFate.PENDS_THEN_SUCCEEDS else "succeeded"
    refund = objects.refund(charge, amount=amount, status=status, reason=reason, metadata=metadata, now=desk.created)
    refund["balance_transaction"] = desk.book(refund, kind="refund", amount=-amount)
    desk.save(refund)
    desk.tell("refund.created", refund)
    _recount(desk, charge, amount)
    if fate is not RefundFate.SUCCEEDS:
        desk.records.change_later(refund["id"], due=desk.now + desk.change_after)
    return refund


def _asked(form: Form) -> int | None:
    amount = form.whole("amount")
    if amount is not None and amount < 1:
        raise refusals.invalid("amount", "Invalid positive integer", "parameter_invalid_integer")
    return amount


def _charge(desk: Desk, form: Form) -> StripeObject:
    if form.text("charge"):
        return desk.get("charge", form.required("charge"), param="charge")
    intent = desk.get("payment_intent", form.required("payment_intent"), param="payment_intent")
    if intent["status"] != "succeeded":
        message = f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."
        raise refusals.unrefundable(message)
    return desk.get("charge", intent["latest_charge"])


def _within(charge: StripeObject, asked: int | None) -> int:
    """`amount_refunded` counts the pending refunds too, so what is left can be promised."""
    left: int = charge["amount_captured"] - charge["amount_refunded"]
    if left == 0:
        message = f"Charge {charge['id']} has already been refunded."
        raise refusals.unrefundable(message, code="charge_already_refunded")
    if asked is not None and asked > left:
        message = f"Refund amount ({asked}) is greater than unrefunded amount on charge ({left})."
        raise refusals.unrefundable(message)
    return left if asked is None else asked


def _recount(desk: Desk, charge: StripeObject, amount: int) -> None:
    refunded = charge["amount_refunded"] + amount
    charge |= {"amount_refunded": refunded, "refunded": refunded == charge["amount_captured"]}
    desk.save(charge)
    if amount > 0:
        desk.tell("charge.refunded", charge)


def change(desk: Desk, refund_id: str) -> None:
    """The time has come: a pending refund settles, one to a closed account fails and its money returns to us."""
    refund = desk.get(KIND, refund_id)
    if refund["status"] == "pending":
        refund |= {"status": "succeeded", "pending_reason": None}
    else:
        _fail(desk, refund)
    desk.save(refund)
    desk.tell("refund.updated", refund)


def _fail(desk: Desk, refund: StripeObject) -> None:
    refund |= {"status": "failed", "failure_reason": "expired_or_canceled_card"}
    refund["failure_balance_transaction"] = desk.book(refund, kind="refund_failure", amount=refund["amount"])
    _recount(desk, desk.get("charge", refund["charge"]), -refund["amount"])
    desk.tell("refund.failed", refund)
