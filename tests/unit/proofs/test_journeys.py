"""Every journey comes to its end in a shop where everything works at once: a rehearsal without a shop."""

import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import uuid4

import pytest

from services.contracts.events import Topic
from services.local.chaos.asking import Asking
from services.local.chaos.history import History, Json
from services.local.chaos.shoppers import Account, Clerk, Shopper
from services.local.customer.client import Api, Reply
from services.local.proofs.defects.stage import Journey, Stage
from services.local.proofs.defects.table import DEFECTS
from services.local.system import System

JOURNEYS = {defect.journey.name: defect.journey for defect in DEFECTS}
ANSWERS = {"POST": 201, "DELETE": 200}


class Counter:
    """A shop's door that says yes to everything."""

    async def call(self, method: str, path: str, **_: object) -> Reply:
        body = {"id": str(uuid4()), "status": "succeeded", "order_id": path}
        content = json.dumps(body).encode()
        return Reply(asked=f"{method} {path}", status=ANSWERS[method], headers={}, content=content)


class Rehearsal(Stage):
    """A stage without a system: queries find one row, and what breaks is only written down."""

    broken: list[str]

    async def shopper(self) -> Shopper:
        user_id = str(uuid4())
        self.own.add(user_id)
        return Shopper(account=self.clerk.account, user_id=user_id, asking=self.clerk.asking)

    async def lamp(self, on_hand: int = 9) -> str:
        assert on_hand
        return str(uuid4())

    async def rows(self, service: str, query: str, *_: object) -> list[Json]:
        self.broken += [f"{service}: {query.split(maxsplit=1)[0]}"] if not query.lstrip().startswith("SELECT") else []
        return [{"id": uuid4()}]

    @asynccontextmanager
    async def locked(self, service: str, statement: str, *_: object) -> AsyncIterator[None]:
        self.broken.append(f"{service}: {statement.split(maxsplit=1)[0]}")
        yield

    @asynccontextmanager
    async def fault(self, match: str, kind: str, **_: Any) -> AsyncIterator[None]:
        self.broken.append(f"provider: {kind} {match}")
        yield

    @asynccontextmanager
    async def full_broker(self) -> AsyncIterator[None]:
        self.broken.append("broker: full")
        yield

    async def deliveries_end(self, topic: Topic, service: str, *, within: float) -> None:
        assert topic in Topic
        assert service
        assert within > 0

    async def calm(self, *, seconds: float = 0, within: float = 0) -> bool:
        assert seconds == within
        return True


def rehearsal(told: io.StringIO) -> Rehearsal:
    history, door = History(told), cast("Api", Counter())
    account = Account(anyone=door, email="clerk@example.com", password="-", api=door)
    clerk = Clerk(account=account, asking=Asking(history=history, patience=1))
    stage = Rehearsal(system=cast("System", None), anyone=door, clerk=clerk, history=history)
    stage.broken = []
    return stage


@pytest.mark.parametrize("journey", JOURNEYS.values(), ids=lambda journey: journey.name)
async def test_a_journey_comes_to_its_end(journey: Journey) -> None:
    told = io.StringIO()
    stage = rehearsal(told)

    await journey.act(stage)

    entries = [json.loads(line) for line in told.getvalue().splitlines()]
    assert "place" in {entry["f"] for entry in entries}
    assert sum(entry["type"] == "invoke" for entry in entries) * 2 == len(entries)


async def test_a_hasty_customer_takes_the_first_answer_for_the_last() -> None:
    stage = rehearsal(io.StringIO())
    shopper = await stage.shopper()

    assert stage.hasty(shopper).asking.patience == 0
    assert shopper.asking.patience == 1


async def test_what_was_taken_from_the_database_is_given_back() -> None:
    stage = rehearsal(io.StringIO())

    await JOURNEYS["find_orders_unwritable"].act(stage)

    assert stage.broken == ["order: REVOKE", "order: GRANT"]


async def test_facts_are_told_again_only_once_the_inboxes_have_forgotten_them() -> None:
    stage = rehearsal(io.StringIO())

    await JOURNEYS["hear_old_news"].act(stage)

    assert stage.broken[:2] == ["order: DELETE", "order: UPDATE"]
