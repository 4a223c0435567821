"""Stripe's objects, as the API answers them: what is new about each is an argument, the rest is what is usual."""

import secrets
import string
from typing import Any

from services.local.stripe_server.cards import Card, Decline

StripeObject = dict[str, Any]

API_VERSION = "2026-10-28.endive"
_ALPHABET = string.ascii_letters + string.digits


def new_id(prefix: str) -> str:
    """An id in Stripe's form."""
    return f"{prefix}_{''.join(secrets.choice(_ALPHABET) for _ in range(24))}"


def payment_method(card: Card, *, now: int) -> StripeObject:
    """The payment method that a test token becomes when it is used."""
    return {
        "id": new_id("pm"),
        "object": "payment_method",
        "allow_redisplay": "unspecified",
        "billing_details": _nobody(),
        "card": _card(card) | {"networks": None},
        "created": now,
        "customer": None,
        "livemode": False,
        "metadata": {},
        "type": "card",
    }


def _card(card: Card) -> StripeObject:
    usual = {"exp_month": 12, "exp_year": 2034, "funding": card.funding, "country": card.country}
    return usual | {"brand": card.brand, "last4": card.last4, "fingerprint": card.fingerprint}


def _nobody() -> StripeObject:
    return {"address": None, "email": None, "name": None, "phone": None, "tax_id": None}


def payment_intent(*, amount: int, currency: str, metadata: dict[str, str], now: int) -> StripeObject:
    """A PaymentIntent that nobody has tried to pay yet."""
    intent_id = new_id("pi")
    nothing_yet = dict.fromkeys(
        (
            "application",
            "automatic_payment_methods",
            "canceled_at",
            "cancellation_reason",
            "customer",
            "description",
            "last_payment_error",
            "latest_charge",
            "next_action",
            "on_behalf_of",
            "payment_method",
            "processing",
            "receipt_email",
            "review",
            "setup_future_usage",
            "shipping",
            "statement_descriptor",
            "statement_descriptor_suffix",
            "transfer_data",
            "transfer_group",
        )
    )
    return nothing_yet | {
        "id": intent_id,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "capture_method": "automatic",
        "client_secret": f"{intent_id}_secret_{new_id('s')[2:]}",
        "confirmation_method": "automatic",
        "created": now,
        "currency": currency,
        "livemode": False,
        "metadata": metadata,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": ["card"],
        "status": "requires_payment_method",
    }


def charge(
    intent: StripeObject, card: Card, *, now: int, captured: bool = False, failure: Decline | None = None
) -> StripeObject:
    """One attempt to take the money, or to have it promised; a failed one is kept too."""
    taken = failure is None
    return {
        "id": new_id("ch"),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": intent["amount"] if captured else 0,
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": _nobody(),
        "calculated_statement_descriptor": "SIDECART",
        "captured": captured,
        "created": now,
        "currency": intent["currency"],
        "customer": None,
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": failure.code if failure else None,
        "failure_message": failure.message if failure else None,
        "fraud_details": {},
        "livemode": False,
        "metadata": intent["metadata"],
        "on_behalf_of": None,
        "outcome": _outcome(failure),
        "paid": taken,
        "payment_intent": intent["id"],
        "payment_method": intent["payment_method"],
        "payment_method_details": {"type": "card", "card": _card(card) | {"network": card.brand}},
        "receipt_email": None,
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "succeeded" if taken else "failed",
        "transfer_data": None,
        "transfer_group": None,
    }


def _outcome(failure: Decline | None) -> StripeObject:
    return {
        "network_status": "declined_by_network" if failure else "approved_by_network",
        "reason": failure.decline_code if failure else None,
        "risk_level": "normal",
        "seller_message": failure.message if failure else "Payment complete.",
        "type": "issuer_declined" if failure else "authorized",
    }


def refund(
    of: StripeObject, *, amount: int, status: str, reason: str | None, metadata: dict[str, str], now: int
) -> StripeObject:
    """Money on its way back to the card of a charge."""
    pending = {"pending_reason": "processing"} if status == "pending" else {}
    return pending | {
        "id": new_id("re"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": of["id"],
        "created": now,
        "currency": of["currency"],
        "customer": None,
        "destination_details": {"type": "card", "card": {"type": "refund"}},
        "metadata": metadata,
        "payment_intent": of["payment_intent"],
        "payment_method": of["payment_method"],
        "reason": reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": status,
        "transfer_reversal": None,
    }


def event(event_type: str, about: StripeObject, *, request: StripeObject, now: int) -> StripeObject:
    """What happened to an object, with the object as it stood then."""
    return {
        "id": new_id("evt"),
        "object": "event",
        "api_version": API_VERSION,
        "created": now,
        "data": {"object": about},
        "livemode": False,
        "pending_webhooks": 1,
        "request": request,
        "type": event_type,
    }
