"""Checkout Sessions (https://docs.stripe.com/api/checkout/sessions): a cart is paid on a page of the provider's."""

from services.local.stripe_server import checkout_objects, intents, refusals
from services.local.stripe_server.desk import Desk
from services.local.stripe_server.forms import Form
from services.local.stripe_server.objects import StripeObject
from services.local.stripe_server.records import Page

KIND = "checkout.session"
OPEN = "open"
_WORDS = ("cancel_url", "client_reference_id", "customer_email", "success_url")
_CREATE = {
    *_WORDS,
    "expires_at",
    "line_items",
    "metadata",
    "mode",
    "payment_intent_data",
    "payment_method_types",
    "submit_type",
}
_DAY = 24 * 3_600
_SHORTEST = 30 * 60


def create(desk: Desk, form: Form) -> StripeObject:
    """Open a session for a cart that is paid once.

    :raises Refusal: on bad parameters
    """
    form.only(_CREATE)
    form.required("mode")
    form.choice("mode", ("payment",))
    form.required("success_url")
    items = [_item(desk, Form(item)) for item in form.parts("line_items")]
    if not items:
        form.required("line_items")
    session = checkout_objects.session(items, url=desk.url, expires_at=_expiry(desk, form), now=desk.created)
    session |= {word: form.text(word) for word in _WORDS} | {"metadata": form.mapping("metadata")}
    desk.records.keep_part(session["id"], "line_items", items)
    desk.records.keep_part(session["id"], "payment_intent_data", form.part("payment_intent_data"))
    desk.later(session, after=session["expires_at"] - desk.now)
    return desk.save(session)


def _item(desk: Desk, form: Form) -> StripeObject:
    form.only(("price_data", "quantity"))
    price = Form(form.part("price_data"))
    price.only(("currency", "product_data", "unit_amount"))
    unit_amount, quantity = _positive(price, "unit_amount"), _positive(form, "quantity")
    name = Form(price.part("product_data")).required("name")
    currency = price.required("currency").lower()
    return checkout_objects.line_item(
        name=name, unit_amount=unit_amount, currency=currency, quantity=quantity, now=desk.created
    )


def _positive(form: Form, name: str) -> int:
    form.required(name)
    number = form.whole(name) or 0
    if number < 1:
        raise refusals.invalid(name, "Invalid positive integer", "parameter_invalid_integer")
    return number


def _expiry(desk: Desk, form: Form) -> int:
    expires_at = form.whole("expires_at") or desk.created + _DAY
    if not _SHORTEST <= expires_at - desk.created <= _DAY:
        message = "The `expires_at` timestamp must be between 30 minutes and 24 hours from now."
        raise refusals.invalid("expires_at", message, "parameter_invalid_integer")
    return expires_at


def retrieve(desk: Desk, form: Form, *, session_id: str) -> StripeObject:
    """One session; what is bought in it only when that is asked for.

    :raises Refusal: when there is none
    """
    form.only(())
    session = desk.get(KIND, session_id)
    if "line_items" in form.words("expand"):
        session["line_items"] = line_items(desk, Form({}), session_id=session_id)
    return session


def line_items(desk: Desk, form: Form, *, session_id: str) -> StripeObject:
    """What is bought, on one page.

    :raises Refusal: when there is no such session
    """
    form.only({"limit"})
    session = desk.get(KIND, session_id)
    items = desk.records.find_part(session["id"], "line_items")
    return checkout_objects.page_of(items, url=f"/v1/checkout/sessions/{session_id}/line_items")


def pay(desk: Desk, session: StripeObject, *, payment_method: str) -> StripeObject:
    """The customer pays on the page; answers the PaymentIntent.

    :raises Refusal: when the session is over, or the card is declined (another may be tried)
    """
    _require_open(session)
    if session["payment_intent"] is None:
        session["payment_intent"] = _open_intent(desk, session)["id"]
        desk.save(session)
    confirming = Form({"payment_method": payment_method, "return_url": session["url"]})
    intent = intents.confirm(desk, confirming, intent_id=session["payment_intent"])
    settle(desk, intent)
    return intent


def _open_intent(desk: Desk, session: StripeObject) -> StripeObject:
    given = desk.records.find_part(session["id"], "payment_intent_data")
    return intents.create(desk, Form(given | {"amount": str(session["amount_total"]), "currency": session["currency"]}))


def settle(desk: Desk, intent: StripeObject) -> None:
    """A session whose PaymentIntent has succeeded is complete."""
    sessions, _ = desk.records.page(KIND, Page(limit=1, equal=(("payment_intent", intent["id"]),)))
    for session in sessions:
        if intent["status"] == "succeeded" and session["status"] == OPEN:
            _complete(desk, session)


def _complete(desk: Desk, session: StripeObject) -> None:
    customer = dict.fromkeys(("address", "name", "phone")) | {"tax_exempt": "none", "tax_ids": []}
    session |= {"status": "complete", "payment_status": "paid", "url": None}
    session["customer_details"] = customer | {"email": session["customer_email"]}
    desk.save(session)
    desk.tell("checkout.session.completed", session)


def expire(desk: Desk, form: Form, *, session_id: str) -> StripeObject:
    """Nobody can pay in the session any more.

    :raises Refusal: when it is over already
    """
    form.only(())
    session = desk.get(KIND, session_id)
    _require_open(session)
    return _end(desk, session)


def lapse(desk: Desk, session: StripeObject) -> None:
    """The time has come: a session that nobody paid in is over."""
    if session["status"] == OPEN:
        _end(desk, session)


def _end(desk: Desk, session: StripeObject) -> StripeObject:
    if session["payment_intent"] is not None:
        intents.give_up(desk, desk.get(intents.KIND, session["payment_intent"]), reason="abandoned")
    session |= {"status": "expired", "url": None}
    desk.tell("checkout.session.expired", session)
    return desk.save(session)


def _require_open(session: StripeObject) -> None:
    if session["status"] != OPEN:
        message = f'Only Checkout Sessions with a status in ["open"] can be used; this one is {session["status"]}.'
        raise refusals.Executed(400, "invalid_request_error", message)
