"""What need not be kept is forgotten in time, in small transactions, and found without reading what is kept."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import TextClause, text

from services.shared import inbox, outbox, service
from services.shared.sidecar_double import SidecarDouble
from tests.service.doors import Clock, Serve
from tests.service.shared.test_outbox import turn, unpublished
from tests.service.shared.toy import create, level, user


async def test_what_need_not_be_kept_is_forgotten_after_a_week(
    serve: Serve, sidecar: SidecarDouble, clock: Clock
) -> None:
    async with serve("toy", create) as client:
        async with client.runtime.database.begin() as session:
            outbox.add(session, user(), level(uuid4(), 1))
        await turn(client, sidecar)
        clock.advance(days=8)
        async with client.runtime.database.begin() as session:
            outbox.add(session, user())

        assert not await service.prune_facts(client.runtime)

        assert [(row["topic"], row["published_at"] is None) for row in await client.facts()] == [
            ("stock", False),
            ("users", True),
        ]


async def test_unpublished_facts_are_never_pruned(serve: Serve, clock: Clock) -> None:
    async with serve("toy", create) as client:
        await client.post(f"/lamps/{uuid4()}")
        clock.now += timedelta(days=400)

        await service.prune_facts(client.runtime)

        assert await unpublished(client) == 1


async def test_a_handled_event_is_forgotten_after_thirty_days(serve: Serve, clock: Clock) -> None:
    async with serve("toy", create) as client:
        await client.deliver(user())
        clock.advance(days=29)
        assert not await service.prune_inbox(client.runtime)
        assert len(await client.rows("SELECT 1 FROM inbox")) == 1

        clock.advance(days=2)
        assert not await service.prune_inbox(client.runtime)

        assert await client.rows("SELECT 1 FROM inbox") == []


async def test_much_that_is_old_is_forgotten_in_several_transactions(
    serve: Serve, sidecar: SidecarDouble, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "PRUNED_AT_ONCE", 2)
    async with serve("toy", create) as client:
        for _ in range(3):
            await client.deliver(user())
        async with client.runtime.database.begin() as session:
            outbox.add(session, *(user() for _ in range(3)))
        await turn(client, sidecar)
        clock.advance(days=31)

        assert [await service.prune_facts(client.runtime) for _ in range(2)] == [True, False]
        assert [await service.prune_inbox(client.runtime) for _ in range(2)] == [True, False]
        assert await client.facts() == await client.rows("SELECT 1 FROM inbox") == []


@pytest.mark.parametrize(
    ("prune", "index"), [(outbox.PRUNE, "outbox_to_prune"), (inbox.PRUNE, "inbox_age")], ids=["outbox", "inbox"]
)
async def test_what_is_old_is_found_by_an_index(serve: Serve, prune: TextClause, index: str) -> None:
    async with serve("toy", create) as client, client.runtime.database.begin() as session:
        await session.execute(text("SET LOCAL enable_seqscan = off"))
        await session.execute(text("SET LOCAL enable_sort = off"))

        plan = await session.scalars(text(f"EXPLAIN {prune.text}"), {"before": datetime.now(UTC), "limit": 9})

        assert index in "\n".join(plan)
