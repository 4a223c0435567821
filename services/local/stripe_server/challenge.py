"""The issuer's page on which a customer authenticates."""

from http import HTTPStatus

from starlette.responses import RedirectResponse, Response

from services.local.stripe_server import checkout, intents, pages
from services.local.stripe_server.calls import Server
from services.local.stripe_server.objects import StripeObject
from services.local.stripe_server.refusals import Executed


def page(client_secret: str) -> Response:
    """Two buttons."""
    address = f"/_stand-in/authenticate/{client_secret}"
    return pages.page(
        "Authenticate the payment",
        pages.words("A test bank asks whether this payment is yours."),
        pages.button(f"{address}/pass", "Complete"),
        pages.button(f"{address}/fail", "Fail"),
    )


def finish(server: Server, client_secret: str, *, passed: bool) -> Response:
    """Act on the button; the customer goes back to where the shop wants, or reads what became of it."""
    desk = server.desk()
    with desk.records.transaction():
        return_url = _return_url(desk.records.find(intents.KIND, client_secret.partition("_secret_")[0]))
        try:
            intent = intents.authenticated(desk, client_secret=client_secret, passed=passed)
            checkout.settle(desk, intent)
            status = intent["status"]
        except Executed as refusal:
            status = refusal.message
    server.owed.set()
    if return_url is not None:
        return RedirectResponse(return_url, HTTPStatus.SEE_OTHER)
    return pages.page("Done", pages.words(status))


def _return_url(intent: StripeObject | None) -> str | None:
    action = (intent or {}).get("next_action")
    return action["redirect_to_url"]["return_url"] if action else None
