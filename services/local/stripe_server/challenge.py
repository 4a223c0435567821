"""The issuer's page on which a customer authenticates, as small as can be."""

from html import escape
from http import HTTPStatus

from starlette.responses import HTMLResponse, RedirectResponse, Response

from services.local.stripe_server import intents
from services.local.stripe_server.calls import Server
from services.local.stripe_server.objects import StripeObject
from services.local.stripe_server.refusals import Executed

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<style>body{{font:16px/1.5 system-ui;max-width:28rem;margin:4rem auto;padding:0 1rem}}
form{{display:inline}}button{{font:inherit;padding:.5rem 1rem;margin-right:.5rem}}</style>
<h1>{title}</h1>{body}</html>"""
_BUTTON = '<form method="post" action="{action}"><button>{label}</button></form>'


def page(client_secret: str) -> Response:
    """Two buttons."""
    address = f"/_stand-in/authenticate/{escape(client_secret, quote=True)}"
    buttons = _BUTTON.format(action=f"{address}/pass", label="Complete") + _BUTTON.format(
        action=f"{address}/fail", label="Fail"
    )
    body = f"<p>A test bank asks whether this payment is yours.</p>{buttons}"
    return HTMLResponse(_PAGE.format(title="Authenticate the payment", body=body))


def finish(server: Server, client_secret: str, *, passed: bool) -> Response:
    """Act on the button; the customer goes back to where the shop wants, or reads what became of it."""
    desk = server.desk()
    with desk.records.transaction():
        return_url = _return_url(desk.records.find(intents.KIND, client_secret.partition("_secret_")[0]))
        try:
            status = intents.authenticated(desk, client_secret=client_secret, passed=passed)["status"]
        except Executed as refusal:
            status = refusal.message
    server.owed.set()
    if return_url is not None:
        return RedirectResponse(return_url, HTTPStatus.SEE_OTHER)
    return HTMLResponse(_PAGE.format(title="Done", body=f"<p>{escape(status)}</p>"))


def _return_url(intent: StripeObject | None) -> str | None:
    action = (intent or {}).get("next_action")
    return action["redirect_to_url"]["return_url"] if action else None
