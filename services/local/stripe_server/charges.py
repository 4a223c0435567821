"""Charges: the money of a PaymentIntent, once it is taken."""

from services.local.stripe_server import cards, fees, refusals
from services.local.stripe_server.cards import Card
from services.local.stripe_server.desk import Desk
from services.local.stripe_server.money import Movement
from services.local.stripe_server.objects import StripeObject

KIND = "charge"


def card_of(charge: StripeObject) -> Card:
    """The card that a charge was made to."""
    return cards.by_fingerprint(charge["payment_method_details"]["card"]["fingerprint"])


def book(desk: Desk, charge: StripeObject) -> StripeObject:
    """What was captured is ours, less the fee; a card that disputes is going to."""
    captured = charge["amount_captured"]
    card = card_of(charge)
    movement = Movement(type="charge", amount=captured, fee=fees.of_charge(captured), at_once=card.pays_at_once)
    charge["balance_transaction"] = desk.book(charge, movement)["id"]
    if card.dispute is not None:
        desk.later(charge)
    return desk.save(charge)


def taken(desk: Desk, *, charge: str | None, payment_intent: str) -> StripeObject:
    """The charge that is named, or the one that paid a PaymentIntent.

    :raises Refusal: when there is none
    """
    if charge is not None:
        return desk.get(KIND, charge, param="charge")
    intent = desk.get("payment_intent", payment_intent, param="payment_intent")
    if intent["status"] != "succeeded":
        message = f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."
        raise refusals.unrefundable(message)
    return desk.get(KIND, intent["latest_charge"])
