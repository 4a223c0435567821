import json
from pathlib import Path

import aiohttp
import pytest
import stripe

from services.local.stripe_server import signing, webhooks
from tests.unit.stripe_server.conftest import StandIn, running
from tests.unit.stripe_server.hooks import SECRET, Shop, wait_for


def test_an_event_is_delivered_again_until_the_shop_confirms_it(stand_in: StandIn, shop: Shop) -> None:
    shop.answers = [500, 503]

    paid = stand_in.paid()

    wait_for(lambda: shop.types == ["payment_intent.succeeded"])
    assert shop.attempts == 3
    assert shop.events[0].data.object.id == paid.id
    assert stand_in.client.v1.events.retrieve(shop.events[0].id).type == "payment_intent.succeeded"


def test_a_redirect_is_not_a_confirmation(stand_in: StandIn, shop: Shop) -> None:
    shop.answers = [302]

    stand_in.paid()

    wait_for(lambda: shop.types == ["payment_intent.succeeded"])
    assert shop.attempts == 2


def test_an_owed_event_survives_a_restart(tmp_path: Path, shop: Shop) -> None:
    shop.answers = [500] * 3
    with running(tmp_path, shop) as before:
        before.paid()
        wait_for(lambda: shop.attempts)

    shop.answers = []
    with running(tmp_path, shop):
        wait_for(lambda: shop.types == ["payment_intent.succeeded"])


def test_a_signature_is_one_that_the_sdk_accepts() -> None:
    body = json.dumps({"id": "evt_1", "object": "event", "type": "charge.refunded"}).encode()

    header = signing.signature(body, secrets=(SECRET,), at=1_700_000_000)

    assert stripe.WebhookSignature.verify_header(body.decode(), header, SECRET)


def test_pauses_double_up_to_half_a_minute() -> None:
    pauses = [webhooks.pause(attempts) for attempts in (1, 2, 3, 7, 8, 500)]

    assert pauses == [0.25, 0.5, 1.0, 16.0, 30.0, 30.0]


async def test_a_shop_that_is_away_has_not_confirmed() -> None:
    async with aiohttp.ClientSession() as session:
        status = await webhooks.send(session, b"{}", url="http://127.0.0.1:9/", signature="t=1,v1=0")

    assert (status, webhooks.confirms(status)) == (None, False)


@pytest.mark.parametrize(("status", "confirms"), [(200, True), (299, True), (199, False), (302, False), (599, False)])
def test_only_success_confirms(status: int, *, confirms: bool) -> None:
    assert webhooks.confirms(status) is confirms
