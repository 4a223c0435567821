"""Whatever happens to orders in whatever order and at once: the table of moves holds, and the facts tell the rows."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from services.contracts.answers import CloseOutcome
from services.contracts.events import Event, PaymentRefundFailed
from services.order.operations.expiry import expire_one
from services.order.stock_double import StockDouble
from services.shared.sidecar_double import SidecarDouble
from tests.service.doors import Clock, Serve, Tokens
from tests.service.order.conftest import opened
from tests.service.order.model import ORDERS, STEPS, Model, Step, explained
from tests.service.order.shop import HOME, WORK, Shop, payment_id_of, refund_of, succeeded
from tests.service.stateful import Run, explore, staged

FAR = "2999-01-01T00:00:00Z"
SEEN = """
SELECT id, status, (SELECT count(*) FROM order_history WHERE order_id = id) AS lines,
    ARRAY(SELECT outbox.version FROM outbox WHERE aggregate_id = orders.id ORDER BY 1) AS versions
FROM orders WHERE id = ANY(%s)
"""

DUE = "SELECT id FROM orders WHERE status = 'pending' AND next_check_at <= %s"
"""Orders of earlier plays among them, about which payment says nothing."""


def _some(order: dict[str, Any], number: int) -> Event:
    return refund_of(order, refunded=f"{number + 1}.00", version=3 + number)


def _failed(order: dict[str, Any], number: int) -> Event:
    return PaymentRefundFailed.model_validate(refund_of(order, refunded="1.00", version=7 + number).model_dump())


EVENTS: dict[str, Callable[[dict[str, Any], int], Event]] = {
    "pay": lambda order, _: succeeded(order),
    "refund some": _some,
    "refund all": lambda order, _: refund_of(order, version=6),
    "fail": _failed,
}


class Orders(RuleBasedStateMachine):
    """Two orders of one customer."""

    def __init__(self, run: Run, shop: Shop) -> None:
        super().__init__()
        self.run, self.shop, self.model = run, shop, Model()

    @initialize()
    def open_the_shop(self) -> None:
        self.keys = [str(uuid4()) for _ in range(ORDERS)]
        self.shop.stock.on_hand[str(self.shop.lamp)] = 1_000_000
        self.one_thing_happens(("place", 0, 0))
        self.one_thing_happens(("place", 1, 0))

    @rule(step=STEPS)
    def one_thing_happens(self, step: Step) -> None:
        expected = self.model.take(step)

        assert self.run(self._play(step)) == expected

    @rule(step=STEPS)
    def one_thing_happens_twice_to_a_service_that_forgets(self, step: Step) -> None:
        self.one_thing_happens(step)
        self.run(self.shop.client.rows("DELETE FROM inbox"))
        self.one_thing_happens(step)

    @rule(steps=st.lists(STEPS, min_size=2, max_size=4))
    def several_things_happen_at_once(self, steps: list[Step]) -> None:
        answers, seen, addresses = self.run(self._play_at_once(steps))

        explanations = explained(self.model, steps, answers, seen)
        assert explanations, (self.model, steps, answers, seen)
        (self.model,) = [one for one in explanations if [story.address for story in one.stories] == addresses][:1]

    @rule(outcome=st.sampled_from(CloseOutcome))
    def time_passes(self, outcome: CloseOutcome) -> None:
        for story in self.model.stories:
            story.expire(outcome)

        self.run(self._expire(outcome))

    @invariant()
    def the_orders_are_where_the_model_says(self) -> None:
        assert self.run(self._seen()) == self.model.seen()

    @invariant()
    def the_facts_are_complete_and_tell_what_the_rows_say(self) -> None:
        for number, story in enumerate(self.model.stories):
            if story.status:
                now, told = self.run(self._read(number)), self.run(self._read(number, at=FAR))
                assert told == now
                assert (now["version"], len(now["history"])) == (story.lines, story.lines)

    def _id(self, number: int) -> str:
        return self.shop.order_id(self.keys[number])

    def _order(self, number: int) -> dict[str, Any]:
        amount = {"amount": "25.00", "currency": "EUR"}
        return {"id": self._id(number), "user_id": str(self.shop.ada_id), "total_amount": amount}

    async def _play_at_once(self, steps: list[Step]) -> tuple[list[str], list[tuple[str, int]], list[int]]:
        answers = await asyncio.gather(*map(self._play, steps))
        return answers, await self._seen(), [await self._address(number) for number in range(ORDERS)]

    async def _play(self, step: Step) -> str:
        deed, order, number = step
        if deed in EVENTS:
            return await self.shop.client.deliver(EVENTS[deed](self._order(order), number))
        return str((await self._ask(deed, order, number)).status_code)

    async def _ask(self, deed: str, order: int, number: int) -> Any:
        if deed == "place":
            return await self.shop.place((self.shop.lamp, 2), key=self.keys[order])
        if deed == "readdress":
            body, url = {"shipping_address": (HOME, WORK)[number]}, f"/orders/{self._id(order)}"
            return await self.shop.client.put(url, json=body, headers=self.shop.ada)
        deeds: dict[str, Callable[..., Any]] = {
            "cancel": self.shop.cancel,
            "ship": self.shop.ship,
            "deliver": self.shop.deliver,
        }
        return await deeds[deed](self._order(order))

    async def _expire(self, outcome: CloseOutcome) -> None:
        self.shop.clock.advance(minutes=16)
        for number in range(ORDERS):
            order = self._order(number)
            self.shop.payment_answers(order, outcome, payment_id_of(order))
        while await self.shop.client.rows(DUE, self.shop.clock.now):
            await expire_one(self.shop.client.runtime)

    async def _read(self, number: int, **at: str) -> dict[str, Any]:
        answer = await self.shop.client.get(f"/orders/{self._id(number)}", params=at, headers=self.shop.ada)
        return dict(answer.json())

    async def _seen(self) -> list[tuple[str, int]]:
        ids = [UUID(self._id(number)) for number in range(ORDERS)]
        rows = {row["id"]: row for row in await self.shop.client.rows(SEEN, ids)}
        assert all(row["versions"] == list(range(1, row["lines"] + 1)) for row in rows.values())
        return [(rows[one]["status"], rows[one]["lines"]) if one in rows else ("", 0) for one in ids]

    async def _address(self, number: int) -> int:
        found = await self._read(number)
        return int(found.get("shipping_address", {}).get("line1") == WORK["line1"])


def test_orders_move_as_the_model_says(serve: Serve, sidecar: SidecarDouble, tokens: Tokens, clock: Clock) -> None:
    with staged(opened(serve, StockDouble(), sidecar, tokens, clock)) as (run, shop):
        explore(lambda: Orders(run, shop), examples=8, steps=25)
