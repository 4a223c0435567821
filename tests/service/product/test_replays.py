"""Replaying stock changes nothing at the product service, in whatever batches it comes."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.contracts.events import Level, StockSet
from tests.service.doors import Client
from tests.service.replays import everything

AT = datetime(2026, 11, 23, 12, tzinfo=UTC)
LAMP, RUG = uuid4(), uuid4()


def counted(product_id: UUID, version: int) -> StockSet:
    level = Level(product_id=product_id, on_hand=version * 10, reserved=version, version=version)
    return StockSet(version=version, at=AT, product_id=product_id, change=1, reason="counted", levels=(level,))


EVENTS = [counted(product, version) for version in range(1, 6) for product in (LAMP, RUG)]


async def bring(client: Client, batch: list[StockSet]) -> None:
    entries = [
        {"entryId": str(number), "event": {"type": event.TYPE, "data": event.model_dump(mode="json")}}
        for number, event in enumerate(batch)
    ]
    statuses = (await client.post("/events/stock", json={"entries": entries})).json()["statuses"]
    assert {status["status"] for status in statuses} == {"SUCCESS"}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(again=st.permutations([*EVENTS, *EVENTS]), size=st.integers(1, 20))
async def test_everything_again_changes_nothing(client: Client, again: list[StockSet], size: int) -> None:
    await bring(client, EVENTS)
    before = await everything(client.rows)

    for start in range(0, len(again), size):
        await bring(client, again[start : start + size])

    assert await everything(client.rows) == before
    assert len(before["availability"]) == 2


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(EVENTS), size=st.integers(1, 10))
async def test_whatever_comes_first_the_newest_level_is_shown(client: Client, order: list[StockSet], size: int) -> None:
    await client.rows("TRUNCATE availability")

    for start in range(0, len(order), size):
        await bring(client, order[start : start + size])

    shown = await client.rows("SELECT product_id, on_hand, reserved FROM availability")
    assert {(row["product_id"], row["on_hand"], row["reserved"]) for row in shown} == {(LAMP, 50, 5), (RUG, 50, 5)}
