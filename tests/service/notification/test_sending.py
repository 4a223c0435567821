"""E-mails leave at least once, one after the other."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import pytest

from services.contracts.events import OrderPaid, OrderPlaced
from services.notification import app
from services.notification.operations.sending import BATCH, Sender, empty_old_letters
from services.shared.sidecar_double import SidecarDouble
from tests.service.doors import SETTINGS, Client, Clock, Tokens, World
from tests.service.notification.events import BUYER, ORDER, order_event, registered


async def states(client: Client) -> dict[str, tuple[str, int]]:
    found = await client.rows("SELECT template, state, attempts FROM message")
    return {message["template"]: (message["state"], message["attempts"]) for message in found}


async def test_a_message_is_sent_once_and_told(client: Client, sender: Sender, sidecar: SidecarDouble) -> None:
    await client.deliver(registered())
    await client.deliver(order_event(OrderPlaced))

    assert [await sender.step(client.runtime) for _ in range(2)] == [False, False]

    assert [(mail.binding, mail.operation, mail.metadata) for mail in sidecar.mails] == [
        ("email", "create", {"emailTo": "ada@example.com", "subject": "Welcome to Sidecart"}),
        ("email", "create", {"emailTo": "ada@example.com", "subject": "Order placed: 3F2A9C1B"}),
    ]
    assert sidecar.mails[0].data.startswith("<!doctype html>")
    facts = [(fact["type"], fact["data"]["order_id"], fact["data"]["template"]) for fact in await client.facts()]
    assert facts == [
        ("notification.sent", None, "welcome"),
        ("notification.sent", str(ORDER), "order-placed"),
    ]
    assert {fact["data"]["user_id"] for fact in await client.facts()} == {str(BUYER)}


async def test_more_than_a_batch_is_sent_at_once(client: Client, sender: Sender, sidecar: SidecarDouble) -> None:
    await client.deliver(registered())
    for version in range(BATCH):
        await client.deliver(order_event(OrderPaid, version + 1))

    assert [await sender.step(client.runtime), await sender.step(client.runtime)] == [True, False]
    assert len(sidecar.mails) == BATCH + 1


async def test_a_failed_message_is_tried_again_later(
    client: Client, sender: Sender, sidecar: SidecarDouble, clock: Clock
) -> None:
    await client.deliver(registered())
    await client.deliver(order_event(OrderPlaced))
    sidecar.is_away = True

    await sender.step(client.runtime)

    assert await states(client) == {"welcome": ("pending", 1), "order-placed": ("pending", 0)}
    assert await client.facts() == []
    sidecar.is_away = False
    assert [await sender.step(client.runtime) for _ in range(2)] == [False, False]
    assert await states(client) == {"welcome": ("pending", 1), "order-placed": ("sent", 1)}
    clock.advance(seconds=4)
    await sender.step(client.runtime)
    assert await states(client) == {"welcome": ("sent", 2), "order-placed": ("sent", 1)}


async def test_nothing_is_sent_after_a_failure_until_the_sidecar_has_answered(
    client: Client, sender: Sender, sidecar: SidecarDouble, clock: Clock
) -> None:
    await client.deliver(registered())
    sidecar.is_away = True
    await sender.step(client.runtime)
    clock.advance(seconds=60)

    await sender.step(client.runtime)

    assert await states(client) == {"welcome": ("pending", 1)}


async def test_a_message_is_given_up_after_its_last_attempt(
    client: Client, sender: Sender, sidecar: SidecarDouble
) -> None:
    await client.deliver(registered())
    await client.rows("UPDATE message SET attempts = 34")
    sidecar.is_away = True

    await sender.step(client.runtime)

    assert await states(client) == {"welcome": ("dead", 35)}


async def test_a_message_that_was_claimed_by_a_sender_that_died_is_sent_by_another(
    client: Client, sender: Sender, sidecar: SidecarDouble, clock: Clock
) -> None:
    await client.deliver(registered())
    await client.rows("UPDATE message SET attempts = 1, next_at = %s", clock.now)
    clock.advance(seconds=1)

    await sender.step(client.runtime)

    assert len(sidecar.mails) == 1


class SlowSidecar(SidecarDouble):
    """Something happens while the first letter is on its way."""

    def __init__(self, meanwhile: Callable[[], Awaitable[object]]) -> None:
        super().__init__()
        self._meanwhile = [meanwhile]

    async def invoke_binding(self, name: str, operation: str, data: str, metadata: Mapping[str, str]) -> None:
        await super().invoke_binding(name, operation, data, metadata)
        while self._meanwhile:
            await self._meanwhile.pop()()


async def test_a_letter_that_two_senders_have_sent_is_told_once(client: Client, sender: Sender, clock: Clock) -> None:
    async def overtake() -> None:
        clock.advance(minutes=3)
        await Sender().step(client.runtime)

    await client.deliver(registered())
    client.runtime.sidecar = sidecar = SlowSidecar(overtake)

    await sender.step(client.runtime)

    assert len(sidecar.mails) == 2
    assert len(await client.facts()) == 1


async def test_a_sender_that_is_stopped_has_what_has_left_written_down_and_leaves_the_rest(
    client: Client, sender: Sender
) -> None:
    async def stop() -> None:
        stepping.cancel()
        await asyncio.sleep(0.01)

    await client.deliver(registered())
    await client.deliver(order_event(OrderPlaced))
    client.runtime.sidecar = sidecar = SlowSidecar(stop)

    stepping = asyncio.create_task(sender.step(client.runtime))
    with pytest.raises(asyncio.CancelledError):
        await stepping

    assert await states(client) == {"welcome": ("sent", 1), "order-placed": ("pending", 0)}
    assert [fact["data"]["template"] for fact in await client.facts()] == ["welcome"]
    await Sender().step(client.runtime)
    assert [mail.metadata["subject"] for mail in sidecar.mails] == ["Welcome to Sidecart", "Order placed: 3F2A9C1B"]


async def test_the_service_sends_by_a_timer(world: World) -> None:
    assert app.create(world.start("notification"), SETTINGS).title == "Sidecart notification"


async def test_an_old_letter_is_forgotten_and_its_event_is_no_news(
    client: Client, sender: Sender, sidecar: SidecarDouble, clock: Clock
) -> None:
    await client.deliver(registered())
    await sender.step(client.runtime)
    clock.advance(days=29)
    assert not await empty_old_letters(client.runtime)
    assert [row["address"] for row in await client.rows("SELECT address FROM message")] == ["ada@example.com"]

    clock.advance(days=2)
    assert not await empty_old_letters(client.runtime)

    written = "SELECT address || subject || html AS words, state FROM message"
    assert await client.rows(written) == [{"words": "", "state": "sent"}]
    await client.rows("DELETE FROM inbox")
    await client.deliver(registered())
    assert not await sender.step(client.runtime)
    assert len(sidecar.mails) == 1


async def test_a_letter_that_waits_keeps_its_words_however_old_it_is(client: Client, clock: Clock) -> None:
    await client.deliver(registered())
    clock.advance(days=400)

    await empty_old_letters(client.runtime)

    assert [row["address"] for row in await client.rows("SELECT address FROM message")] == ["ada@example.com"]


async def test_of_a_letter_that_is_not_wanted_no_word_is_kept(client: Client, tokens: Tokens) -> None:
    await client.deliver(registered())
    wishes = {"order_updates": {"email": False}}
    await client.put("/notifications/preferences", json=wishes, headers=tokens.headers(user_id=BUYER))

    await client.deliver(order_event(OrderPlaced))

    query = "SELECT address, subject, html FROM message WHERE state = 'unwanted'"
    assert await client.rows(query) == [{"address": "", "subject": "", "html": ""}]
