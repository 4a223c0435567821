"""The page of a Checkout Session: what it costs, a choice of test cards, and a button."""

from html import escape
from http import HTTPStatus

from starlette.responses import RedirectResponse, Response

from services.local.stripe_server import cards, checkout, pages
from services.local.stripe_server.calls import Server
from services.local.stripe_server.objects import StripeObject
from services.local.stripe_server.refusals import Refusal

_SEE_OTHER = HTTPStatus.SEE_OTHER


def show(server: Server, session_id: str, *, complaint: str = "") -> Response:
    """The page; who has paid already goes on to the shop."""
    desk = server.desk()
    session = desk.get(checkout.KIND, session_id)
    if session["status"] == "complete":
        return RedirectResponse(_thanks(session), _SEE_OTHER)
    if session["status"] == "expired":
        return pages.page("Checkout", pages.words("This session has expired."))
    items = desk.records.find_part(session_id, "line_items")
    bought = [pages.words(f"{item['quantity']} x {item['description']}: {item['amount_total']}") for item in items]
    total = pages.words(f"Together {session['amount_total']} {session['currency'].upper()}, in minor units")
    return pages.page("Checkout", *bought, total, pages.words(complaint), _card_button(session_id), _way_back(session))


def _thanks(session: StripeObject) -> str:
    return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", session["id"])


def _card_button(session_id: str) -> str:
    options = "".join(f"<option>{escape(token)}</option>" for token in cards.tokens())
    action = f"/_stand-in/checkout/{session_id}"
    return pages.button(action, "Pay", fields=f'<select name="payment_method">{options}</select>')


def _way_back(session: StripeObject) -> str:
    back = session["cancel_url"]
    return f'<a href="{escape(back, quote=True)}">Back to the shop</a>' if back else ""


def pay(server: Server, session_id: str, payment_method: str) -> Response:
    """The customer has chosen a card: on to the shop or to the card's issuer, or back to the page with a complaint."""
    desk = server.desk()
    with server.records.transaction():
        session = desk.get(checkout.KIND, session_id)
        try:
            intent = checkout.pay(desk, session, payment_method=payment_method)
        except Refusal as refusal:
            complaint, intent = refusal.message, None
    server.owed.set()
    if intent is None:
        return show(server, session_id, complaint=complaint)
    if intent["next_action"] is not None:
        return RedirectResponse(intent["next_action"]["redirect_to_url"]["url"], _SEE_OTHER)
    return RedirectResponse(_thanks(session), _SEE_OTHER)
