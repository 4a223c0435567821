import urllib.parse

import pytest
import stripe

from tests.unit.stripe_server.conftest import StandIn, error_of
from tests.unit.stripe_server.hooks import Shop, wait_for


def opened(stand_in: StandIn, amount: int = 2_500) -> str:
    created = stand_in.intents.create(params={"amount": amount, "currency": "EUR", "metadata": {"order_id": "o-1"}})
    return str(created.id)


def test_a_payment_intent_is_created_unconfirmed_and_then_confirmed(stand_in: StandIn, shop: Shop) -> None:
    created = stand_in.intents.create(params={"amount": 2_500, "currency": "EUR", "metadata": {"order_id": "o-1"}})

    confirmed = stand_in.intents.confirm(created.id, params={"payment_method": "pm_card_visa"})

    assert (created.status, created.currency, created.metadata["order_id"]) == ("requires_payment_method", "eur", "o-1")
    assert (confirmed.status, confirmed.amount_received) == ("succeeded", 2_500)
    wait_for(lambda: shop.types == ["payment_intent.succeeded"])
    assert shop.events[0].data.object.metadata["order_id"] == "o-1"


def test_a_payment_method_given_at_creation_waits_for_confirmation(stand_in: StandIn) -> None:
    created = stand_in.intents.create(params={"amount": 900, "currency": "usd", "payment_method": "pm_card_mastercard"})

    confirmed = stand_in.intents.confirm(created.id)

    assert (created.status, confirmed.status) == ("requires_confirmation", "succeeded")


@pytest.mark.parametrize(
    ("card", "code", "decline_code"),
    [
        ("pm_card_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc", "incorrect_cvc"),
        ("pm_card_chargeDeclinedProcessingError", "processing_error", "processing_error"),
    ],
)
def test_a_declined_card_says_why_and_leaves_the_intent_waiting_for_another(
    stand_in: StandIn, card: str, code: str, decline_code: str
) -> None:
    intent_id = opened(stand_in)

    with pytest.raises(stripe.CardError) as refused:
        stand_in.intents.confirm(intent_id, params={"payment_method": card})

    error = error_of(refused)
    assert (refused.value.http_status, error["code"], error["decline_code"]) == (402, code, decline_code)
    assert error["payment_intent"]["status"] == "requires_payment_method"
    assert error["payment_intent"]["last_payment_error"]["decline_code"] == decline_code
    assert stand_in.intents.retrieve(intent_id).status == "requires_payment_method"


def test_after_a_decline_another_card_pays_the_same_intent(stand_in: StandIn, shop: Shop) -> None:
    intent_id = opened(stand_in)
    with pytest.raises(stripe.CardError):
        stand_in.intents.confirm(intent_id, params={"payment_method": "pm_card_chargeDeclined"})

    paid = stand_in.intents.confirm(intent_id, params={"payment_method": "pm_card_visa"})

    assert (paid.status, paid.last_payment_error) == ("succeeded", None)
    wait_for(lambda: sorted(shop.types) == ["payment_intent.payment_failed", "payment_intent.succeeded"])


def test_an_intent_without_a_payment_method_cannot_be_confirmed(stand_in: StandIn) -> None:
    intent_id = opened(stand_in)

    with pytest.raises(stripe.InvalidRequestError, match="missing a payment method"):
        stand_in.intents.confirm(intent_id)


def test_a_paid_intent_can_neither_be_confirmed_nor_cancelled(stand_in: StandIn) -> None:
    paid = stand_in.paid()

    with pytest.raises(stripe.InvalidRequestError) as confirming:
        stand_in.intents.confirm(paid.id, params={"payment_method": "pm_card_visa"})
    with pytest.raises(stripe.InvalidRequestError) as cancelling:
        stand_in.intents.cancel(paid.id)

    codes = {confirming.value.code, cancelling.value.code}
    error = error_of(cancelling)
    assert codes == {"payment_intent_unexpected_state"}
    assert error["payment_intent"]["status"] == "succeeded"


def test_a_cancelled_intent_takes_no_money(stand_in: StandIn, shop: Shop) -> None:
    intent_id = opened(stand_in)

    cancelled = stand_in.intents.cancel(intent_id, params={"cancellation_reason": "abandoned"})

    assert (cancelled.status, cancelled.cancellation_reason) == ("canceled", "abandoned")
    with pytest.raises(stripe.InvalidRequestError):
        stand_in.intents.confirm(intent_id, params={"payment_method": "pm_card_visa"})
    wait_for(lambda: shop.types == ["payment_intent.canceled"])


def test_automatic_payment_methods_are_remembered(stand_in: StandIn) -> None:
    wanted = {"enabled": True, "allow_redirects": "never"}

    created = stand_in.intents.create(params={"amount": 2_500, "currency": "eur", "automatic_payment_methods": wanted})

    assert created.automatic_payment_methods.to_dict() == wanted


def test_the_card_that_was_used_stays_readable_and_can_be_used_again(stand_in: StandIn) -> None:
    method = stand_in.client.v1.payment_methods.retrieve(stand_in.paid().payment_method)

    again = stand_in.paid(card=method.id)

    assert method.card is not None
    assert (method.card.brand, method.card.last4, again.status) == ("visa", "4242", "succeeded")


def test_an_unknown_payment_method_is_refused(stand_in: StandIn) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="No such payment_method") as refused:
        stand_in.paid(card="pm_card_of_nobody")

    assert refused.value.param == "payment_method"


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"currency": "eur"}, "parameter_missing"),
        ({"amount": 2_500}, "parameter_missing"),
        ({"amount": "a lot", "currency": "eur"}, "parameter_invalid_integer"),
        ({"amount": 49, "currency": "eur"}, "amount_too_small"),
        ({"amount": 0, "currency": "sek"}, "amount_too_small"),
        ({"amount": 100_000_000, "currency": "eur"}, "amount_too_large"),
        ({"amount": 2_500, "currency": "euro"}, "parameter_invalid_string"),
        ({"amount": 2_500, "currency": "eur", "capture_method": "sometimes"}, "parameter_invalid_string"),
        ({"amount": 2_500, "currency": "eur", "confirm": "perhaps"}, "parameter_invalid_boolean"),
        ({"amount": 2_500, "currency": "eur", "confirm": True}, "parameter_missing"),
        ({"amount": 2_500, "currency": "eur", "metadata": "words"}, "parameter_invalid"),
        ({"amount": {"a": 1}, "currency": "eur"}, "parameter_invalid_string"),
        ({"amount": 2_500, "currency": "eur", "colour": "red"}, "parameter_unknown"),
    ],
)
def test_bad_parameters_are_refused_before_anything_happens(
    stand_in: StandIn, params: dict[str, object], code: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        stand_in.intents.create(params=params)

    assert (refused.value.http_status, refused.value.code) == (400, code)
    assert stand_in.intents.list().data == []


def test_a_wrong_key_is_unauthorised(stand_in: StandIn) -> None:
    stranger = stripe.StripeClient("sk_test_wrong", base_addresses={"api": stand_in.url}, max_network_retries=0)

    with pytest.raises(stripe.AuthenticationError) as refused:
        stranger.v1.payment_intents.list()

    assert refused.value.http_status == 401
    assert "wrong" not in str(refused.value)


class TestAuthentication:
    def asked(self, stand_in: StandIn, **params: str) -> tuple[str, str]:
        intent_id = opened(stand_in)
        card = {"payment_method": "pm_card_authenticationRequired"}
        asked = stand_in.intents.confirm(intent_id, params={**card, **params})
        assert asked.status == "requires_action"
        assert asked.next_action.type == "redirect_to_url"
        return intent_id, urllib.parse.urlparse(asked.next_action.redirect_to_url.url).path

    def test_a_customer_who_authenticates_has_paid(self, stand_in: StandIn, shop: Shop) -> None:
        intent_id, path = self.asked(stand_in)

        page = stand_in.request("GET", path)
        done = stand_in.request("POST", f"{path}/pass")

        assert f"{path}/pass" in page
        assert "succeeded" in done
        assert stand_in.intents.retrieve(intent_id).status == "succeeded"
        wait_for(lambda: sorted(shop.types) == ["payment_intent.requires_action", "payment_intent.succeeded"])

    def test_a_customer_who_fails_to_is_asked_for_another_card(self, stand_in: StandIn) -> None:
        intent_id, path = self.asked(stand_in)

        done = stand_in.request("POST", f"{path}/fail")

        intent = stand_in.intents.retrieve(intent_id)
        assert "failed authentication" in done
        assert intent.status == "requires_payment_method"
        assert intent.last_payment_error.code == "payment_intent_authentication_failure"

    def test_the_customer_returns_to_where_the_shop_wants(self, stand_in: StandIn) -> None:
        _, path = self.asked(stand_in, return_url=f"{stand_in.url}/healthz")

        assert stand_in.request("POST", f"{path}/pass") == '{"status":"ok"}'

    def test_nobody_authenticates_without_knowing_the_secret(self, stand_in: StandIn) -> None:
        intent_id, path = self.asked(stand_in)

        with pytest.raises(OSError, match="404"):
            stand_in.request("POST", f"{path[:-3]}abc/pass")

        assert stand_in.intents.retrieve(intent_id).status == "requires_action"

    def test_an_unknown_payment_is_not_found(self, stand_in: StandIn) -> None:
        with pytest.raises(OSError, match="404"):
            stand_in.request("POST", "/_stand-in/authenticate/pi_unknown_secret_x/pass")

    def test_authenticating_a_second_time_changes_nothing(self, stand_in: StandIn) -> None:
        intent_id, path = self.asked(stand_in)
        stand_in.request("POST", f"{path}/pass")

        again = stand_in.request("POST", f"{path}/fail")

        assert "status of succeeded" in again
        assert stand_in.intents.retrieve(intent_id).status == "succeeded"

    def test_a_customer_who_is_not_there_is_declined_instead(self, stand_in: StandIn) -> None:
        intent_id = opened(stand_in)

        with pytest.raises(stripe.CardError) as refused:
            stand_in.intents.confirm(
                intent_id, params={"payment_method": "pm_card_authenticationRequired", "off_session": True}
            )

        assert refused.value.code == "authentication_required"
