import json
from typing import Any

import pytest
import stripe

from services.local.stripe_server import fees
from tests.unit.stripe_server.conftest import StandIn
from tests.unit.stripe_server.hooks import Shop, wait_for

DAY = 86_400


def movements(stand_in: StandIn, **params: Any) -> list[Any]:
    asked: Any = {"limit": 100, **params}
    return list(stand_in.client.v1.balance_transactions.list(params=asked).data)


def pay_out(stand_in: StandIn) -> list[Any]:
    payouts: list[Any] = json.loads(stand_in.request("POST", "/_stand-in/payouts"))
    return payouts


@pytest.mark.parametrize(("amount", "fee"), [(10_000, 165), (2_500, 60), (50, 26), (250, 29), (249, 28), (35, 25)])
def test_a_fee_is_a_share_and_a_fixed_part_with_halves_rounded_up(amount: int, fee: int) -> None:
    assert fees.of_charge(amount) == fee


def test_a_movement_says_what_it_cost_and_when_it_will_be_available(stand_in: StandIn) -> None:
    paid = stand_in.paid(10_000)

    (movement,) = movements(stand_in)

    assert (movement.source, movement.reporting_category, movement.status) == (paid.latest_charge, "charge", "pending")
    assert [(detail.type, detail.amount) for detail in movement.fee_details] == [("stripe_fee", 165)]
    assert movement.available_on % DAY == 0
    assert DAY < movement.available_on - movement.created <= 2 * DAY


def test_what_has_settled_goes_to_the_bank_at_midnight(stand_in: StandIn, shop: Shop) -> None:
    paid = stand_in.paid(10_000)
    stand_in.refunds.create(params={"payment_intent": paid.id, "amount": 1_000})

    stand_in.advance(3 * DAY)

    (payout,) = stand_in.client.v1.payouts.list().data
    assert (payout.amount, payout.currency, payout.status, payout.automatic) == (8_835, "eur", "paid", True)
    assert payout.created % DAY == 0
    assert stand_in.movements[-1] == ("payout", -8_835, 0)
    wait_for(lambda: {"payout.created", "payout.paid"} <= set(shop.types))


def test_a_payout_names_the_movements_that_it_is_made_of(stand_in: StandIn) -> None:
    stand_in.paid(10_000)
    stand_in.advance(3 * DAY)
    stand_in.paid(2_500)

    (payout,) = stand_in.client.v1.payouts.list().data
    of_it = movements(stand_in, payout=payout.id)

    assert [(one.type, one.net, one.status) for one in of_it] == [
        ("payout", -9_835, "available"),
        ("charge", 9_835, "available"),
    ]
    assert of_it[0].id == payout.balance_transaction
    assert len(movements(stand_in, type="charge")) == 2


def test_every_day_has_its_own_payout_and_nothing_is_paid_out_twice(stand_in: StandIn) -> None:
    for amount in (10_000, 2_500):
        stand_in.paid(amount)
        stand_in.advance(DAY)
    stand_in.advance(10 * DAY)

    payouts = stand_in.client.v1.payouts.list().data
    assert [payout.amount for payout in payouts] == [2_440, 9_835]
    assert payouts[0].created - payouts[1].created == DAY
    assert sum(one.net for one in movements(stand_in)) == 0


def test_a_debt_waits_for_the_next_takings(stand_in: StandIn) -> None:
    paid = stand_in.paid(10_000)
    pay_out(stand_in)
    stand_in.dispute(payment_intent=paid.id)
    stand_in.advance(4 * DAY)
    assert len(stand_in.client.v1.payouts.list().data) == 1

    stand_in.paid(20_000)
    stand_in.advance(4 * DAY)

    assert stand_in.client.v1.payouts.list().data[0].amount == 20_000 - 305 - 12_000


def test_a_payout_can_be_had_at_once_for_each_currency(stand_in: StandIn) -> None:
    stand_in.paid(10_000)
    params = {"amount": 5_000, "currency": "usd", "payment_method": "pm_card_visa", "confirm": True}
    stand_in.intents.create(params=params)

    payouts = pay_out(stand_in)

    assert [(one["currency"], one["amount"]) for one in payouts] == [("eur", 9_835), ("usd", 4_905)]
    assert {one.status for one in movements(stand_in)} == {"available"}
    assert all(one.available_on <= one.created + DAY for one in movements(stand_in))
    assert pay_out(stand_in) == []
    assert stand_in.client.v1.payouts.retrieve(payouts[0]["id"]).amount == 9_835


def test_the_balance_tells_what_is_pending_and_what_is_available(stand_in: StandIn) -> None:
    stand_in.paid(10_000)

    before = stand_in.client.v1.balance.retrieve()
    paid = stand_in.paid(2_500)
    pay_out(stand_in)
    stand_in.refunds.create(params={"payment_intent": paid.id})
    stand_in.advance(4 * DAY)
    after = stand_in.client.v1.balance.retrieve()

    assert ([one.amount for one in before.pending], before.available) == ([9_835], [])
    assert ([one.amount for one in after.available], after.pending) == ([-2_500], [])


def test_movements_are_found_by_their_source_and_their_day(stand_in: StandIn) -> None:
    first = stand_in.paid(10_000)
    stand_in.advance(3 * DAY)
    second = stand_in.paid(2_500)
    later = movements(stand_in, source=second.latest_charge)[0].created

    assert [one.net for one in movements(stand_in, source=first.latest_charge)] == [9_835]
    assert {one.type for one in movements(stand_in, created={"lt": later})} == {"charge", "payout"}
    assert [one.source for one in movements(stand_in, created={"gte": later})] == [second.latest_charge]


def test_movements_are_walked_through_page_by_page(stand_in: StandIn) -> None:
    for _ in range(5):
        stand_in.paid()

    walked = [one.id for one in stand_in.client.v1.balance_transactions.list(params={"limit": 2}).auto_paging_iter()]

    assert len(set(walked)) == len(walked) == 5


def test_an_address_that_leads_nowhere_is_not_found(stand_in: StandIn) -> None:
    for path in ("/v1/unicorns", "/v1/unicorns/u_1", "/v1/unicorns/u_1/horns"):
        with pytest.raises(stripe.InvalidRequestError, match="Unrecognized request URL") as refused:
            stand_in.client.raw_request("get", path)
        assert refused.value.http_status == 404
