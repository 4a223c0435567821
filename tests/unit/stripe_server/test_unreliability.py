import json
from collections import Counter
from pathlib import Path
from urllib.error import HTTPError

import pytest

from services.local.stripe_server.unreliability import Unreliability, Way
from tests.unit.stripe_server.conftest import StandIn, running
from tests.unit.stripe_server.hooks import Shop, wait_for

PAID = "payment_intent.succeeded"


def test_an_event_is_delivered_as_often_as_was_asked_for(stand_in: StandIn, shop: Shop) -> None:
    stand_in.way(duplicates=2)

    stand_in.paid()

    wait_for(lambda: len(shop.events) == 3)
    assert len({event.id for event in shop.events}) == 1


def test_deliveries_that_are_lost_are_made_again(stand_in: StandIn, shop: Shop) -> None:
    stand_in.way(drop=0.5, seed=3)

    ids = {stand_in.paid().id for _ in range(8)}

    wait_for(lambda: {event.data.object.id for event in shop.events} == ids)
    assert all(count == 1 for count in Counter(event.id for event in shop.events).values())


def test_an_event_can_be_late(stand_in: StandIn, shop: Shop) -> None:
    stand_in.way(delay_seconds=3_600)
    stand_in.paid()
    stand_in.way()
    stand_in.paid()

    wait_for(lambda: len(shop.events) == 2)


def test_what_is_late_arrives_when_its_time_has_come(stand_in: StandIn, shop: Shop) -> None:
    stand_in.way(delay_seconds=0.05)

    stand_in.paid()

    wait_for(lambda: shop.types == [PAID])


def test_later_events_overtake_earlier_ones(stand_in: StandIn, shop: Shop) -> None:
    stand_in.way(reorder_within_seconds=0.5, seed=1)

    ids = [stand_in.paid().id for _ in range(10)]

    wait_for(lambda: len(shop.events) == 10)
    arrived = [event.data.object.id for event in shop.events]
    assert sorted(arrived) == sorted(ids)
    assert arrived != ids


def test_what_is_withheld_arrives_when_the_way_is_open_again(stand_in: StandIn, shop: Shop) -> None:
    stand_in.way(withhold=[PAID])
    paid = stand_in.paid()
    stand_in.refunds.create(params={"payment_intent": paid.id})
    wait_for(lambda: "charge.refunded" in shop.types)
    assert PAID not in shop.types

    stand_in.request("DELETE", "/_stand-in/webhooks")

    wait_for(lambda: PAID in shop.types)
    assert json.loads(stand_in.request("GET", "/_stand-in/webhooks")) == Unreliability().model_dump(mode="json")


def test_everything_can_be_withheld() -> None:
    assert Way(Unreliability(withhold=("*",))).withholds("charge.refunded")


def test_the_same_seed_loses_and_delays_the_same() -> None:
    def drawn(seed: int) -> list[object]:
        way = Way(Unreliability(drop=0.4, reorder_within_seconds=1.0, seed=seed))
        return [(way.loses(), way.delay()) for _ in range(50)]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


@pytest.mark.parametrize("asked", [{"drop": 1.0}, {"duplicates": -1}, {"mood": "bad"}])
def test_unreliability_that_makes_no_sense_is_refused(stand_in: StandIn, asked: dict[str, object]) -> None:
    with pytest.raises(HTTPError, match="422"):
        stand_in.way(**asked)


def test_a_forged_or_stale_event_is_sent_on_demand_and_a_genuine_one_again(stand_in: StandIn, shop: Shop) -> None:
    stand_in.paid()
    wait_for(lambda: shop.types == [PAID])
    event_id = shop.events[0].id

    statuses = {kind: stand_in.send(event_id=event_id, signature=kind) for kind in ("forged", "stale", "genuine")}

    assert statuses == {"forged": 400, "stale": 400, "genuine": 200}
    assert [event.id for event in shop.events] == [event_id] * 2


def test_an_event_that_never_happened_can_be_sent(stand_in: StandIn, shop: Shop) -> None:
    invented = {"id": "evt_invented", "object": "event", "type": PAID, "data": {"object": {}}}

    status = stand_in.send(event=invented)

    assert (status, shop.events[0].id) == (200, "evt_invented")


def test_what_is_sent_on_demand_is_one_event(stand_in: StandIn) -> None:
    with pytest.raises(HTTPError, match="422"):
        stand_in.send(event_id="evt_1", event={})
    with pytest.raises(HTTPError, match="404"):
        stand_in.send(event_id="evt_unknown")


def roll(stand_in: StandIn, **asked: object) -> str:
    rolled: dict[str, str] = json.loads(stand_in.request("POST", "/_stand-in/webhooks/secret", asked))
    return rolled["secret"]


def test_while_a_secret_is_replaced_both_sign(stand_in: StandIn, shop: Shop) -> None:
    new = roll(stand_in, old_valid_seconds=3_600)
    stand_in.paid()
    wait_for(lambda: len(shop.events) == 1)

    shop.secret = new
    stand_in.paid()

    wait_for(lambda: len(shop.events) == 2)


def test_an_old_secret_signs_no_more_when_its_time_is_over(stand_in: StandIn, shop: Shop) -> None:
    new = roll(stand_in, old_valid_seconds=3_600)
    stand_in.advance(3_601)

    stand_in.paid()
    wait_for(lambda: shop.attempts)
    assert shop.events == []

    shop.secret = new
    wait_for(lambda: len(shop.events) == 1)


def test_a_secret_that_was_replaced_stays_so_when_the_process_ends(tmp_path: Path, shop: Shop) -> None:
    with running(tmp_path, shop) as before:
        roll(before, secret="whsec_first", old_valid_seconds=0)
        roll(before, secret="whsec_second", old_valid_seconds=0)

    shop.secret = "whsec_second"
    with running(tmp_path, shop) as after:
        after.paid()
        wait_for(lambda: shop.types == [PAID])
    assert shop.attempts == 1
