"""The life of a PaymentIntent (https://docs.stripe.com/payments/paymentintents/lifecycle)."""

from services.local.stripe_server import cards, charges, objects, refusals
from services.local.stripe_server.cards import Card, Decline
from services.local.stripe_server.desk import Desk
from services.local.stripe_server.forms import Form
from services.local.stripe_server.objects import StripeObject

KIND = "payment_intent"
CONFIRMABLE = ("requires_payment_method", "requires_confirmation", "requires_action")
PROMISED = "requires_capture"
CANCELABLE = ("requires_payment_method", "requires_confirmation", "requires_action", PROMISED)
CANCELLATION_REASONS = ("abandoned", "duplicate", "fraudulent", "requested_by_customer")
_WORDS = ("description", "receipt_email", "statement_descriptor", "statement_descriptor_suffix", "transfer_group")
_ATTEMPT = ("payment_method", "return_url", "off_session", "error_on_requires_action", "use_stripe_sdk")
_CREATE = {
    *_ATTEMPT,
    *_WORDS,
    "amount",
    "automatic_payment_methods",
    "capture_method",
    "confirm",
    "confirmation_method",
    "currency",
    "metadata",
    "payment_method_options",
    "payment_method_types",
    "shipping",
}
_CONFIRM = {*_ATTEMPT, "payment_method_options", "payment_method_types", "receipt_email", "shipping"}
# The least that Stripe charges, in minor units (https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts).
_MINIMUM = {"usd": 50, "eur": 50, "gbp": 30, "chf": 50, "jpy": 50}
_MAXIMUM = 99_999_999
_PROMISE_HOLDS = 7 * 86_400.0
_AUTHENTICATION_FAILED = Decline(
    "payment_intent_authentication_failure",
    "authentication_required",
    "The provided PaymentMethod has failed authentication.",
)


def create(desk: Desk, form: Form) -> StripeObject:
    """Open a PaymentIntent; with `confirm` it is tried at once.

    :raises Refusal: on bad parameters, and on a declined card when confirming
    """
    form.only(_CREATE)
    capture = form.choice("capture_method", ("automatic", "automatic_async", "manual"))
    currency = _currency(form)
    intent = objects.payment_intent(
        amount=_amount(form, currency), currency=currency, metadata=form.mapping("metadata"), now=desk.created
    )
    intent |= {word: form.text(word) for word in _WORDS} | {"capture_method": capture or "automatic_async"}
    if methods := form.mapping("automatic_payment_methods"):
        redirects = methods.get("allow_redirects", "always")
        intent["automatic_payment_methods"] = {
            "enabled": methods.get("enabled") == "true",
            "allow_redirects": redirects,
        }
    confirm_now = form.flag("confirm")
    if form.text("payment_method"):
        _use(desk, intent, form.required("payment_method"))
    elif confirm_now:
        form.required("payment_method")
    desk.save(intent)
    return _attempt(desk, intent, form) if confirm_now else intent


def _currency(form: Form) -> str:
    currency = form.required("currency").lower()
    if len(currency) != len("eur") or not currency.isalpha():
        raise refusals.invalid("currency", f"Invalid currency: {currency}.", "parameter_invalid_string")
    return currency


def _amount(form: Form, currency: str) -> int:
    amount = form.whole("amount")
    if amount is None:
        form.required("amount")
    elif amount < _MINIMUM.get(currency, 1):
        raise refusals.invalid("amount", "Amount must convert to at least the minimum charge.", "amount_too_small")
    elif amount <= _MAXIMUM:
        return amount
    raise refusals.invalid("amount", f"Amount must be no more than {_MAXIMUM}.", "amount_too_large")


def confirm(desk: Desk, form: Form, *, intent_id: str) -> StripeObject:
    """Try to take the money.

    :raises Refusal: when the card is declined (the PaymentIntent then asks for another), or the status forbids it
    """
    form.only(_CONFIRM)
    intent = desk.get(KIND, intent_id)
    require(intent, "confirm", CONFIRMABLE)
    if form.text("payment_method"):
        _use(desk, intent, form.required("payment_method"))
    if intent["payment_method"] is None:
        message = "You cannot confirm this PaymentIntent because it's missing a payment method."
        raise refusals.Executed(
            400,
            "invalid_request_error",
            message,
            {"code": "payment_intent_unexpected_state", "payment_intent": intent},
        )
    return _attempt(desk, intent, form)


def require(intent: StripeObject, verb: str, allowed: tuple[str, ...]) -> None:
    """Refuse what the status does not allow.

    :raises Refusal: when the status is another
    """
    if intent["status"] not in allowed:
        raise refusals.unexpected_state(intent, verb, allowed)


def _use(desk: Desk, intent: StripeObject, token: str) -> None:
    card = cards.by_token(token)
    if card is None:
        method = desk.get("payment_method", token, param="payment_method")
    else:
        method = desk.save(objects.payment_method(card, now=desk.created))
    intent |= {"payment_method": method["id"], "status": "requires_confirmation", "next_action": None}


def _card(desk: Desk, intent: StripeObject) -> Card:
    method = desk.get("payment_method", intent["payment_method"])
    return cards.by_fingerprint(method["card"]["fingerprint"])


def _attempt(desk: Desk, intent: StripeObject, form: Form) -> StripeObject:
    card = _card(desk, intent)
    if not card.authentication:
        return _charge(desk, intent, card)
    if form.flag("off_session") or form.flag("error_on_requires_action"):
        return _refuse(desk, intent, card, cards.AUTHENTICATION_DECLINE)
    return _ask(desk, intent, return_url=form.text("return_url"))


def _ask(desk: Desk, intent: StripeObject, *, return_url: str | None) -> StripeObject:
    redirect = {"url": f"{desk.url}/_stand-in/authenticate/{intent['client_secret']}", "return_url": return_url}
    intent |= {"status": "requires_action", "next_action": {"type": "redirect_to_url", "redirect_to_url": redirect}}
    desk.tell("payment_intent.requires_action", intent)
    return desk.save(intent)


def authenticated(desk: Desk, *, client_secret: str, passed: bool) -> StripeObject:
    """What the customer did on the issuer's page: the charge goes on, or the PaymentIntent asks for another card.

    :raises Refusal: when no authentication is awaited, and on a card that is declined even so
    """
    intent = desk.get(KIND, client_secret.partition("_secret_")[0])
    if intent["client_secret"] != client_secret:
        raise refusals.missing(KIND, client_secret)
    require(intent, "confirm", ("requires_action",))
    card = _card(desk, intent)
    return _charge(desk, intent, card) if passed else _refuse(desk, intent, card, _AUTHENTICATION_FAILED)


def _charge(desk: Desk, intent: StripeObject, card: Card) -> StripeObject:
    if card.decline:
        return _refuse(desk, intent, card, card.decline)
    manual = intent["capture_method"] == "manual"
    charge = desk.save(objects.charge(intent, card, captured=not manual, now=desk.created))
    intent |= {"latest_charge": charge["id"], "last_payment_error": None, "next_action": None}
    if manual:
        return _promise(desk, intent)
    charges.book(desk, charge)
    intent |= {"status": "succeeded", "amount_received": intent["amount"]}
    desk.tell("payment_intent.succeeded", intent)
    return desk.save(intent)


def _promise(desk: Desk, intent: StripeObject) -> StripeObject:
    intent |= {"status": PROMISED, "amount_capturable": intent["amount"]}
    desk.tell("payment_intent.amount_capturable_updated", intent)
    desk.later(intent, after=_PROMISE_HOLDS)
    return desk.save(intent)


def _refuse(desk: Desk, intent: StripeObject, card: Card, decline: Decline) -> StripeObject:
    charge = desk.save(objects.charge(intent, card, failure=decline, now=desk.created))
    error = {
        "type": "card_error",
        "code": decline.code,
        "decline_code": decline.decline_code,
        "message": decline.message,
        "charge": charge["id"],
        "doc_url": f"https://docs.stripe.com/error-codes/{decline.code.replace('_', '-')}",
        "payment_method": desk.get("payment_method", intent["payment_method"]),
    }
    intent |= {
        "status": "requires_payment_method",
        "payment_method": None,
        "latest_charge": charge["id"],
        "last_payment_error": error,
        "next_action": None,
    }
    desk.tell("payment_intent.payment_failed", intent)
    raise refusals.declined(error, desk.save(intent))


def cancel(desk: Desk, form: Form, *, intent_id: str) -> StripeObject:
    """Give up a PaymentIntent that has taken nothing; what was promised is released.

    :raises Refusal: when it has succeeded or is canceled already
    """
    form.only({"cancellation_reason"})
    reason = form.choice("cancellation_reason", CANCELLATION_REASONS)
    intent = desk.get(KIND, intent_id)
    require(intent, "cancel", CANCELABLE)
    return give_up(desk, intent, reason=reason)


def give_up(desk: Desk, intent: StripeObject, *, reason: str | None) -> StripeObject:
    """Nothing will be taken any more."""
    intent |= {
        "status": "canceled",
        "amount_capturable": 0,
        "canceled_at": desk.created,
        "cancellation_reason": reason,
        "next_action": None,
    }
    desk.tell("payment_intent.canceled", intent)
    return desk.save(intent)
