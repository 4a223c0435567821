from pathlib import Path

import pytest
import stripe

from tests.unit.stripe_server.conftest import StandIn, running
from tests.unit.stripe_server.hooks import Shop, wait_for

OPEN = {"amount": 2_500, "currency": "eur"}
HOUR = 3_600


def test_a_key_executes_again_after_a_day(stand_in: StandIn) -> None:
    def open_again() -> str:
        return str(stand_in.intents.create(params=OPEN, options={"idempotency_key": "pi:1"}).id)

    first = open_again()
    stand_in.advance(23 * HOUR)
    within_the_day = open_again()
    stand_in.advance(HOUR + 1)

    assert within_the_day == first
    assert open_again() != first


def test_a_forgotten_key_takes_other_parameters(stand_in: StandIn) -> None:
    stand_in.intents.create(params=OPEN, options={"idempotency_key": "pi:1"})
    with pytest.raises(stripe.IdempotencyError):
        stand_in.intents.create(params={**OPEN, "amount": 900}, options={"idempotency_key": "pi:1"})

    stand_in.advance(24 * HOUR + 1)

    assert stand_in.intents.create(params={**OPEN, "amount": 900}, options={"idempotency_key": "pi:1"}).amount == 900


def test_what_is_created_bears_the_time_of_the_clock(stand_in: StandIn) -> None:
    before = stand_in.intents.create(params=OPEN).created

    told = stand_in.advance(10 * HOUR)

    after = stand_in.intents.create(params=OPEN).created
    assert 10 * HOUR <= after - before <= 10 * HOUR + 60
    assert told["ahead_seconds"] == 10 * HOUR
    assert after - 60 <= told["now"] <= after + 1


def test_the_clock_does_not_go_back_when_the_process_ends(tmp_path: Path, shop: Shop) -> None:
    with running(tmp_path, shop) as before:
        before.advance(HOUR)
        before.advance(HOUR)

    with running(tmp_path, shop) as after:
        assert after.advance(HOUR)["ahead_seconds"] == 3 * HOUR


def test_what_is_due_has_happened_when_the_clock_answers(tmp_path: Path, shop: Shop) -> None:
    with running(tmp_path, shop, change_after=HOUR) as slow:
        refund = slow.refunds.create(params={"payment_intent": slow.paid(card="pm_card_pendingRefund").id})

        slow.advance(HOUR)

        assert (refund.status, slow.refunds.retrieve(refund.id).status) == ("pending", "succeeded")


def test_events_are_signed_with_the_time_of_the_shop(stand_in: StandIn, shop: Shop) -> None:
    stand_in.advance(30 * 24 * HOUR)

    stand_in.paid()

    wait_for(lambda: shop.types[-1:] == ["payment_intent.succeeded"])
