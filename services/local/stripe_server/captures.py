"""Capturing later what a card has promised (https://docs.stripe.com/payments/place-a-hold-on-a-payment-method)."""

from services.local.stripe_server import charges, intents, refusals
from services.local.stripe_server.desk import Desk
from services.local.stripe_server.forms import Form
from services.local.stripe_server.objects import StripeObject

_CAPTURE = {"amount_to_capture", "final_capture", "metadata", "statement_descriptor", "statement_descriptor_suffix"}


def capture(desk: Desk, form: Form, *, intent_id: str) -> StripeObject:
    """Take what was promised, or a part of it; the rest is released.

    :raises Refusal: when nothing is promised, or more is asked than that
    """
    form.only(_CAPTURE)
    asked, metadata = form.whole("amount_to_capture"), form.mapping("metadata")
    intent = desk.get(intents.KIND, intent_id)
    intents.require(intent, "capture", (intents.PROMISED,))
    amount = _within(intent["amount_capturable"], asked)
    charge = desk.get(charges.KIND, intent["latest_charge"])
    charge = charges.book(desk, charge | {"captured": True, "amount_captured": amount})
    desk.tell("charge.captured", charge)
    intent |= {"status": "succeeded", "amount_capturable": 0, "amount_received": amount}
    intent["metadata"] |= metadata
    desk.tell("payment_intent.succeeded", intent)
    return desk.save(intent)


def _within(promised: int, asked: int | None) -> int:
    if asked is None:
        return promised
    if not 1 <= asked <= promised:
        message = f"Amount to capture must be 1 to the amount that can be captured ({promised})."
        raise refusals.invalid("amount_to_capture", message, "amount_too_large")
    return asked


def expire(desk: Desk, intent: StripeObject) -> None:
    """The time has come: what was promised and never taken is released."""
    if intent["status"] == intents.PROMISED:
        desk.tell("charge.expired", desk.get(charges.KIND, intent["latest_charge"]))
        intents.give_up(desk, intent, reason="automatic")
