"""The inbox and the preferences."""

from typing import Any
from uuid import uuid4

import pytest

from services.contracts.events import OrderPaid, OrderPlaced
from tests.service.doors import Client, Tokens
from tests.service.notification.events import AT, BUYER, order_event, registered


@pytest.fixture
def headers(tokens: Tokens) -> dict[str, str]:
    return tokens.headers(user_id=BUYER)


async def test_the_inbox_shows_what_happened_newest_first(client: Client, headers: dict[str, str]) -> None:
    await client.deliver(registered())
    await client.deliver(order_event(OrderPlaced, at=AT.replace(minute=1)))

    answer = await client.get("/notifications", headers=headers)

    items = answer.json()["items"]
    assert [(item["type"], item["at"], item["read"]) for item in items] == [
        ("order-placed", "2026-11-23T12:01:00Z", False),
        ("welcome", "2026-11-23T11:59:00Z", False),
    ]
    assert items[0]["title"] == "Order placed: 3F2A9C1B"
    assert items[0]["body"] == "Your order 3F2A9C1B over 25.00 EUR is reserved until 12:15 UTC."


async def test_the_inbox_comes_in_pages(client: Client, headers: dict[str, str]) -> None:
    await client.deliver(registered())
    for version in range(1, 5):
        await client.deliver(order_event(OrderPaid, version))
    seen, cursor = [], None

    while True:
        page = (await client.get("/notifications", headers=headers, params={"limit": 2} | (cursor or {}))).json()
        seen += [item["id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}

    assert len(seen) == len(set(seen)) == 5


async def test_an_item_is_marked_as_read_and_stays_so_when_its_event_comes_again(
    client: Client, headers: dict[str, str]
) -> None:
    await client.deliver(registered())
    item = (await client.get("/notifications", headers=headers)).json()["items"][0]

    answers = [await client.post(f"/notifications/{item['id']}/read", headers=headers) for _ in range(2)]
    await client.deliver(registered())

    assert [answer.status_code for answer in answers] == [204, 204]
    assert (await client.get("/notifications", headers=headers)).json()["items"][0]["read"] is True


async def test_nobody_reads_or_marks_what_is_not_theirs(
    client: Client, headers: dict[str, str], tokens: Tokens
) -> None:
    await client.deliver(registered())
    item = (await client.get("/notifications", headers=headers)).json()["items"][0]
    stranger = tokens.headers()

    marked = await client.post(f"/notifications/{item['id']}/read", headers=stranger)
    unknown = await client.post(f"/notifications/{uuid4()}/read", headers=headers)

    assert (await client.get("/notifications", headers=stranger)).json()["items"] == []
    assert [(answer.status_code, answer.json()["type"]) for answer in (marked, unknown)] == [
        (404, "notification-not-found")
    ] * 2


@pytest.mark.parametrize("path", ["/notifications", "/notifications/preferences"])
async def test_a_guest_has_no_inbox(client: Client, path: str) -> None:
    assert (await client.get(path)).status_code == 401


async def test_the_defaults_are_emails_about_orders_and_no_advertising(client: Client, headers: dict[str, str]) -> None:
    assert (await client.get("/notifications/preferences", headers=headers)).json() == {
        "order_updates": {"email": True, "sms": False, "push": False},
        "promotions": {"email": False, "sms": False, "push": False},
        "quiet_hours": None,
    }


async def test_preferences_are_kept(client: Client, headers: dict[str, str]) -> None:
    wishes = {
        "order_updates": {"email": False, "sms": True, "push": False},
        "promotions": {"email": True, "sms": False, "push": True},
        "quiet_hours": {"from": "22:00", "to": "07:00", "timezone": "Europe/Berlin"},
    }

    put = await client.put("/notifications/preferences", json=wishes, headers=headers)

    assert (put.status_code, put.json()) == (200, wishes)
    assert (await client.get("/notifications/preferences", headers=headers)).json() == wishes


@pytest.mark.parametrize(
    "wishes",
    [
        {"order_updates": {}},
        {"order_updates": {"email": "yes"}},
        {"order_updates": {"email": True, "fax": True}},
        {"newsletter": True},
        {"quiet_hours": {"from": "25:00", "to": "07:00", "timezone": "Europe/Berlin"}},
        {"quiet_hours": {"from": "22:00", "to": "07:00", "timezone": "Europe/Nowhere"}},
        [],
    ],
)
async def test_nonsense_is_refused(client: Client, headers: dict[str, str], wishes: Any) -> None:
    answer = await client.put("/notifications/preferences", json=wishes, headers=headers)

    assert (answer.status_code, answer.json()["type"]) == (422, "invalid-request")
