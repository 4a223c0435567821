"""Events become e-mails to be sent and items of the inbox."""

import pytest

from services.contracts.events import OrderPaid, OrderPlaced, OrderReaddressed, PaymentDeclined
from tests.service.doors import Client, Tokens
from tests.service.notification.events import BUYER, ORDER, moved, order_event, payment_event, registered

DECLINED = payment_event(PaymentDeclined, attempt=1, decline_code="card_declined")


async def messages(client: Client) -> list[tuple[str, str]]:
    found = await client.rows("SELECT template, address FROM message ORDER BY written_at, template")
    return [(message["template"], message["address"]) for message in found]


async def test_a_new_user_is_greeted_once(client: Client) -> None:
    told = [await client.deliver(registered()) for _ in range(2)]

    assert told == ["SUCCESS", "SUCCESS"]
    assert await messages(client) == [("welcome", "ada@example.com")]


async def test_an_order_is_told_to_the_address_that_is_known(client: Client) -> None:
    await client.deliver(registered())

    told = await client.deliver(order_event(OrderPlaced))

    assert told == "SUCCESS"
    (message,) = await client.rows("SELECT * FROM message WHERE template = 'order-placed'")
    assert (message["user_id"], message["order_id"], message["state"]) == (BUYER, ORDER, "pending")
    assert (message["address"], message["subject"]) == ("ada@example.com", "Order placed: 3F2A9C1B")
    assert "25.00 EUR" in message["html"]


async def test_an_order_of_somebody_unknown_waits_for_them(client: Client) -> None:
    early = await client.deliver(order_event(OrderPlaced))
    await client.deliver(registered())

    assert [early, await client.deliver(order_event(OrderPlaced))] == ["RETRY", "SUCCESS"]


async def test_letters_go_to_the_newest_address_whatever_order_changes_come_in(client: Client) -> None:
    for event in (moved(3, "new@example.com"), registered(), moved(2, "old@example.com")):
        await client.deliver(event)

    await client.deliver(DECLINED)

    assert ("payment-failed", "new@example.com") in await messages(client)


async def test_what_customers_are_not_told_about_is_done(client: Client) -> None:
    assert await client.deliver(order_event(OrderReaddressed, 2)) == "SUCCESS"
    assert await messages(client) == []


@pytest.mark.parametrize(("wanted", "templates"), [(False, ["welcome"]), (True, ["order-paid", "welcome"])])
async def test_who_wants_no_emails_about_orders_gets_none(
    client: Client,
    tokens: Tokens,
    wanted: bool,  # noqa: FBT001 - a column
    templates: list[str],
) -> None:
    wishes = {"order_updates": {"email": wanted}}
    await client.put("/notifications/preferences", json=wishes, headers=tokens.headers(user_id=BUYER))
    await client.deliver(registered())

    await client.deliver(order_event(OrderPaid, 2))

    sendable = await client.rows("SELECT template FROM message WHERE state = 'pending' ORDER BY template")
    assert [row["template"] for row in sendable] == templates
    assert len(await client.rows("SELECT * FROM document")) == 2


async def test_the_service_subscribes_to_users_orders_and_payments(client: Client) -> None:
    subscribed = (await client.get("/dapr/subscribe")).json()

    assert [one["topic"] for one in subscribed] == ["orders", "payments", "users", "dead-letters.notification"]
