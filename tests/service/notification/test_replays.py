"""Replaying users, orders and payments sends nobody a second mail, nor one that was not wanted then."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings

from services.contracts.events import (
    Event,
    OrderCancelled,
    OrderDelivered,
    OrderPaid,
    OrderPlaced,
    OrderShipped,
    PaymentDeclined,
    PaymentRefunded,
)
from services.notification.operations.sending import Sender
from services.shared.identity import Role
from services.shared.sidecar_double import SidecarDouble
from tests.service.doors import Client, Tokens
from tests.service.notification.events import BUYER, euros, moved, order_event, payment_event, registered
from tests.service.replays import Again, bring_again, everything, replays

EVENTS = 16
ALL: dict[str, Any] = {"sms": False, "push": False}


@dataclass
class Life:
    """What customers were ever told, by mail or only in their inbox."""

    client: Client
    sidecar: SidecarDouble
    events: list[Event]
    before: dict[str, list[str]]


async def _wants_emails(client: Client, tokens: Tokens, *, wants: bool) -> None:
    wishes = {"order_updates": ALL | {"email": wants}, "promotions": ALL | {"email": False}, "quiet_hours": None}
    headers = tokens.headers(Role.CUSTOMER, BUYER)
    assert (await client.put("/notifications/preferences", json=wishes, headers=headers)).status_code == 200


def _about(order_id: UUID) -> list[Event]:
    money: dict[str, Any] = {"order_id": order_id, "payment_id": uuid4()}
    parcel: dict[str, Any] = {"carrier": "DHL", "tracking_number": "1"}
    return [
        order_event(OrderPlaced, 1, order_id=order_id),
        payment_event(PaymentDeclined, 1, attempt=1, decline_code="generic_decline", **money),
        order_event(OrderPaid, 2, order_id=order_id),
        order_event(OrderShipped, 3, order_id=order_id, **parcel),
        order_event(OrderDelivered, 4, order_id=order_id),
        order_event(OrderCancelled, 5, order_id=order_id),
        payment_event(PaymentRefunded, 2, refund_id=uuid4(), refund_amount=euros("5.00"), **money),
    ]


@pytest.fixture
async def life(client: Client, sidecar: SidecarDouble, tokens: Tokens, sender: Sender) -> Life:
    wanted, unwanted = _about(uuid4()), _about(uuid4())
    events: list[Event] = [registered(), moved(2, "ada@new.example.com"), *wanted, *unwanted]
    for event in events[: 2 + len(wanted)]:
        assert await client.deliver(event) == "SUCCESS"
    await _wants_emails(client, tokens, wants=False)
    for event in unwanted:
        assert await client.deliver(event) == "SUCCESS"
    await _wants_emails(client, tokens, wants=True)
    while await sender.step(client.runtime):
        continue
    assert (len(events), len(sidecar.mails)) == (EVENTS, 1 + len(wanted))
    return Life(client, sidecar, events, await everything(client.rows))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(again=replays(EVENTS))
async def test_everything_again_changes_nothing(life: Life, again: Again) -> None:
    mails = len(life.sidecar.mails)
    answers = await bring_again(life.client.rows, life.client.deliver, life.events, again)
    await Sender().step(life.client.runtime)

    assert set(answers) == {"SUCCESS"}
    assert await everything(life.client.rows) == life.before
    assert len(life.sidecar.mails) == mails
