"""Refunds (https://docs.stripe.com/refunds): never more than was captured, and able to fail afterwards."""

from services.local.stripe_server import charges, disputes, objects, refusals
from services.local.stripe_server.cards import RefundFate
from services.local.stripe_server.desk import Desk
from services.local.stripe_server.forms import Form
from services.local.stripe_server.money import Movement
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
    disputes.require_refundable(desk, charge)
    amount = _within(charge, asked)
    fate = charges.card_of(charge).refund
    status = "pending" if fate is RefundFate.PENDS_THEN_SUCCEEDS else "succeeded"
    refund = objects.refund(charge, amount=amount, status=status, reason=reason, metadata=metadata, now=desk.created)
    movement = Movement(type="refund", amount=-amount, description=f"REFUND FOR CHARGE ({charge['id']})")
    refund["balance_transaction"] = desk.book(refund, movement)["id"]
    desk.save(refund)
    desk.tell("refund.created", refund)
    _recount(desk, charge, amount)
    if fate is not RefundFate.SUCCEEDS:
        desk.later(refund)
    return refund


def _asked(form: Form) -> int | None:
    amount = form.whole("amount")
    if amount is not None and amount < 1:
        raise refusals.invalid("amount", "Invalid positive integer", "parameter_invalid_integer")
    return amount


def _charge(desk: Desk, form: Form) -> StripeObject:
    charge = form.text("charge")
    intent = "" if charge else form.required("payment_intent")
    return charges.taken(desk, charge=charge, payment_intent=intent)


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


def change(desk: Desk, refund: StripeObject) -> None:
    """The time has come: a pending refund settles, one to a closed account fails and its money returns to us."""
    if refund["status"] == "pending":
        refund["status"] = "succeeded"
        del refund["pending_reason"]
    else:
        _fail(desk, refund)
    desk.save(refund)
    desk.tell("refund.updated", refund)


def _fail(desk: Desk, refund: StripeObject) -> None:
    refund |= {"status": "failed", "failure_reason": "expired_or_canceled_card"}
    movement = Movement(type="refund_failure", amount=refund["amount"], description="REFUND FAILURE")
    refund["failure_balance_transaction"] = desk.book(refund, movement)["id"]
    _recount(desk, desk.get("charge", refund["charge"]), -refund["amount"])
    desk.tell("refund.failed", refund)
