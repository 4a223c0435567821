import pytest
import stripe

from services.local.stripe_server import cards
from tests.unit.stripe_server.conftest import StandIn, error_of


@pytest.mark.parametrize(
    ("card", "brand", "funding", "country"),
    [
        ("pm_card_visa", "visa", "credit", "US"),
        ("pm_card_mastercard_prepaid", "mastercard", "prepaid", "US"),
        ("pm_card_visa_debit", "visa", "debit", "US"),
        ("pm_card_de", "visa", "credit", "DE"),
    ],
)
def test_a_card_looks_as_its_token_says(stand_in: StandIn, card: str, brand: str, funding: str, country: str) -> None:
    method = stand_in.client.v1.payment_methods.retrieve(stand_in.paid(card=card).payment_method)

    assert method.card is not None
    assert (method.card.brand, method.card.funding, method.card.country) == (brand, funding, country)


def test_what_some_cards_pay_is_available_at_once(stand_in: StandIn) -> None:
    stand_in.paid(10_000, "pm_card_bypassPending")

    (movement,) = stand_in.client.v1.balance_transactions.list().data
    balance = stand_in.client.v1.balance.retrieve()

    assert (movement.status, [one.amount for one in balance.available]) == ("available", [9_835])


def test_a_card_that_needs_authentication_can_be_declined_after_it(stand_in: StandIn) -> None:
    intent = stand_in.paid(card="pm_card_threeDSecureRequiredChargeDeclined")
    stand_in.request("POST", f"/_stand-in/authenticate/{intent.client_secret}/pass")

    assert intent.status == "requires_action"
    assert stand_in.intents.retrieve(intent.id).last_payment_error.decline_code == "generic_decline"


def test_every_decline_has_a_token_with_and_without_the_brand(stand_in: StandIn) -> None:
    for token in ("pm_card_chargeDeclinedFraudulent", "pm_card_visa_chargeDeclinedFraudulent"):
        with pytest.raises(stripe.CardError) as refused:
            stand_in.paid(card=token)
        assert error_of(refused)["decline_code"] == "fraudulent"


def test_tokens_are_told_apart_by_their_cards() -> None:
    known = [cards.by_token(token) for token in cards.tokens()]

    assert None not in known
    assert all(card is not None and cards.by_fingerprint(card.fingerprint) == card for card in known)
