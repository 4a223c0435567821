import urllib.parse
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
import stripe

from tests.unit.stripe_server.conftest import StandIn, running
from tests.unit.stripe_server.hooks import Shop, wait_for

LAMPS = {"price_data": {"currency": "eur", "unit_amount": 2_500, "product_data": {"name": "Lamp <3"}}, "quantity": 2}
BULB = {"price_data": {"currency": "eur", "unit_amount": 400, "product_data": {"name": "Bulb"}}, "quantity": 1}
DAY = 86_400


def opened(stand_in: StandIn, **params: Any) -> Any:
    usual = {"mode": "payment", "line_items": [LAMPS, BULB], "success_url": f"{stand_in.url}/healthz"}
    cart: Any = {**usual, **params}
    return stand_in.client.v1.checkout.sessions.create(params=cart)


def path_of(session: Any) -> str:
    return str(urllib.parse.urlparse(session.url).path)


def pay(stand_in: StandIn, session: Any, card: str = "pm_card_visa") -> str:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    return str(stand_in.request("POST", path_of(session), headers=form, form={"payment_method": card}))


def read(stand_in: StandIn, session: Any) -> Any:
    return stand_in.client.v1.checkout.sessions.retrieve(session.id)


def test_a_session_costs_what_is_bought_in_it(stand_in: StandIn) -> None:
    session = opened(stand_in, metadata={"order_id": "o-1"}, client_reference_id="o-1")

    items = stand_in.client.v1.checkout.sessions.line_items.list(session.id)
    expanded = stand_in.client.v1.checkout.sessions.retrieve(session.id, params={"expand": ["line_items"]})

    assert (session.status, session.payment_status, session.amount_total) == ("open", "unpaid", 5_400)
    assert (session.metadata["order_id"], session.client_reference_id, session.payment_intent) == ("o-1", "o-1", None)
    assert [(item.description, item.quantity, item.amount_total) for item in items.data] == [
        ("Lamp <3", 2, 5_000),
        ("Bulb", 1, 400),
    ]
    assert expanded.line_items is not None
    assert [item.id for item in expanded.line_items.data] == [item.id for item in items.data]
    assert "line_items" not in session


def test_the_page_shows_the_cart_and_a_choice_of_cards(stand_in: StandIn) -> None:
    session = opened(stand_in, cancel_url="https://shop.example/cart?a=1&b=2")

    page = stand_in.request("GET", path_of(session))

    assert "2 x Lamp &lt;3: 5000" in page
    assert "Together 5400 EUR" in page
    assert "<option>pm_card_visa</option>" in page
    assert "https://shop.example/cart?a=1&amp;b=2" in page


def test_who_pays_on_the_page_goes_on_to_the_shop(stand_in: StandIn, shop: Shop) -> None:
    session = opened(
        stand_in,
        customer_email="ada@example.com",
        payment_intent_data={"metadata": {"order_id": "o-1"}},
        success_url=f"{stand_in.url}/healthz?session={{CHECKOUT_SESSION_ID}}",
    )

    landed = pay(stand_in, session)

    paid = read(stand_in, session)
    intent = stand_in.intents.retrieve(paid.payment_intent)
    assert landed == '{"status":"ok"}'
    assert (paid.status, paid.payment_status, paid.url) == ("complete", "paid", None)
    assert paid.customer_details.email == "ada@example.com"
    assert (intent.status, intent.amount_received, intent.metadata["order_id"]) == ("succeeded", 5_400, "o-1")
    wait_for(lambda: {"checkout.session.completed", "payment_intent.succeeded"} <= set(shop.types))
    assert stand_in.request("GET", path_of(session)) == '{"status":"ok"}'


def test_a_declined_card_can_be_replaced(stand_in: StandIn) -> None:
    session = opened(stand_in)

    page = pay(stand_in, session, "pm_card_chargeDeclinedInsufficientFunds")
    first = read(stand_in, session)
    pay(stand_in, session)

    second = read(stand_in, session)
    assert "Your card has insufficient funds." in page
    assert (first.status, second.status) == ("open", "complete")
    assert first.payment_intent == second.payment_intent


def test_a_card_that_needs_authentication_completes_the_session_afterwards(stand_in: StandIn) -> None:
    session = opened(stand_in)

    challenge = pay(stand_in, session, "pm_card_authenticationRequired")
    intent = stand_in.intents.retrieve(read(stand_in, session).payment_intent)
    stand_in.request("POST", urllib.parse.urlparse(intent.next_action.redirect_to_url.url).path + "/pass")

    assert "A test bank asks" in challenge
    assert read(stand_in, session).payment_status == "paid"


def test_a_session_is_paid_once(stand_in: StandIn) -> None:
    session = opened(stand_in)
    pay(stand_in, session)

    pay(stand_in, session)

    assert len(stand_in.intents.list().data) == 1
    assert stand_in.movements == [("charge", 5_400, 101)]


def test_an_expired_session_takes_no_money(stand_in: StandIn, shop: Shop) -> None:
    session = opened(stand_in)
    pay(stand_in, session, "pm_card_chargeDeclined")

    expired = stand_in.client.v1.checkout.sessions.expire(session.id)
    page = pay(stand_in, session)

    assert (expired.status, expired.url) == ("expired", None)
    assert "has expired" in page
    assert stand_in.intents.retrieve(expired.payment_intent).status == "canceled"
    with pytest.raises(stripe.InvalidRequestError):
        stand_in.client.v1.checkout.sessions.expire(session.id)
    wait_for(lambda: "checkout.session.expired" in shop.types)


def test_a_session_expires_by_itself_unless_it_was_paid(stand_in: StandIn) -> None:
    forgotten, paid = opened(stand_in), opened(stand_in)
    pay(stand_in, paid)

    stand_in.advance(DAY)

    assert (read(stand_in, forgotten).status, read(stand_in, paid).status) == ("expired", "complete")


def test_a_session_can_expire_earlier(stand_in: StandIn) -> None:
    soon = opened(stand_in).created + 3_600
    session = opened(stand_in, expires_at=soon)

    stand_in.advance(3_601)

    assert (session.expires_at, read(stand_in, session).status) == (soon, "expired")


def test_sessions_are_found_by_their_intent(stand_in: StandIn) -> None:
    session = opened(stand_in)
    opened(stand_in)
    pay(stand_in, session)

    found = stand_in.client.v1.checkout.sessions.list(
        params={"payment_intent": str(read(stand_in, session).payment_intent)}
    )

    assert [one.id for one in found.data] == [session.id]
    assert len(stand_in.client.v1.checkout.sessions.list().data) == 2


@pytest.mark.parametrize(
    "params",
    [
        {"mode": "subscription"},
        {"mode": ""},
        {"success_url": ""},
        {"line_items": []},
        {"line_items": ["lamp"]},
        {"line_items": "lamps"},
        {"line_items": [{**LAMPS, "quantity": 0}]},
        {"line_items": [{"quantity": 1}]},
        {"expires_at": 1},
        {"colour": "red"},
    ],
)
def test_a_cart_that_makes_no_sense_is_refused(stand_in: StandIn, params: dict[str, Any]) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        opened(stand_in, **params)


def test_an_unknown_session_has_no_page(stand_in: StandIn) -> None:
    with pytest.raises(HTTPError, match="404"):
        stand_in.request("GET", "/_stand-in/checkout/cs_test_unknown")


def test_a_session_outlives_the_process(tmp_path: Path, shop: Shop) -> None:
    with running(tmp_path, shop) as before:
        session = opened(before)

    with running(tmp_path, shop) as after:
        assert "Your card was declined." in pay(after, session, "pm_card_chargeDeclined")
        assert read(after, session).amount_total == 5_400
