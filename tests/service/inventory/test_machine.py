"""Whatever happens in whatever order and at once, the stock is what a simple model says and nothing is oversold."""

import asyncio
from uuid import uuid4

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from services.contracts.proto.inventory_pb2 import ReserveReply, SetLevelReply
from tests.service.doors import World
from tests.service.inventory.conftest import Inventory, opened
from tests.service.inventory.model import ORDERS, PRODUCTS, STEPS, Model, Step, explained
from tests.service.inventory.orders import order_event
from tests.service.stateful import Run, explore, staged


class Stock(RuleBasedStateMachine):
    """Two products, three orders, one service."""

    def __init__(self, run: Run, inventory: Inventory) -> None:
        super().__init__()
        self.run, self.inventory = run, inventory
        self.model = Model()
        self.orders = [uuid4() for _ in range(ORDERS)]

    @initialize()
    def open_the_shop(self) -> None:
        self.products = self.run(self.inventory.stocked(*[0] * PRODUCTS))
        for product in range(PRODUCTS):
            self.one_thing_happens(("count", product, 8))
        for order in range(ORDERS):
            self.one_thing_happens(("reserve", order, {0: 1, 1: 2}))

    @rule(step=STEPS)
    def one_thing_happens(self, step: Step) -> None:
        expected = self.model.take(step)

        assert self.run(self._play(step)) == expected

    @rule(steps=st.lists(STEPS, min_size=2, max_size=4))
    def several_things_happen_at_once(self, steps: list[Step]) -> None:
        answers, levels = self.run(self._play_at_once(steps))

        explanations = explained(self.model, steps, answers, levels)
        assert explanations, (self.model, steps, answers, levels)
        states = self.run(self._states())
        (self.model,) = [one for one in explanations if one.state == states][:1]

    @rule(order=st.integers(0, ORDERS - 1), lines=st.dictionaries(st.integers(0, 1), st.integers(1, 4), min_size=1))
    def everybody_wants_the_same_at_once(self, order: int, lines: dict[int, int]) -> None:
        expected = self.model.take(("reserve", order, lines))
        again = self.model.take(("reserve", order, lines))

        answers, _ = self.run(self._play_at_once([("reserve", order, lines)] * 5))

        assert set(answers) == {expected, again}

    @rule(step=STEPS)
    def one_thing_happens_twice_to_a_service_that_forgets(self, step: Step) -> None:
        self.one_thing_happens(step)
        self.run(self.inventory.rows("DELETE FROM inbox"))
        self.one_thing_happens(step)

    @invariant()
    def the_stock_is_what_the_model_says(self) -> None:
        assert self.run(self._levels()) == self.model.levels()
        assert all(0 <= reserved <= on_hand for on_hand, reserved in self.model.levels())
        assert self.run(self._states()) == self.model.state
        assert self.run(self.inventory.ledger_differences()) == []

    async def _play_at_once(self, steps: list[Step]) -> tuple[list[str], list[tuple[int, int]]]:
        return await asyncio.gather(*map(self._play, steps)), await self._levels()

    async def _play(self, step: Step) -> str:
        kind, subject, what = step
        if kind == "reserve":
            lines = {self.products[index]: units for index, units in what.items()}
            reply = await self.inventory.reserve(self.orders[subject], lines)
            return ReserveReply.Outcome.Name(reply.outcome)
        if kind == "event":
            told, version = what
            return await self.inventory.deliver(order_event(told, self.orders[subject], version))
        change = {"on_hand" if kind == "count" else "adjust_by": what}
        return SetLevelReply.Outcome.Name((await self.inventory.set_level(self.products[subject], **change)).outcome)

    async def _levels(self) -> list[tuple[int, int]]:
        return [await self.inventory.level(product) for product in self.products]

    async def _states(self) -> dict[int, str]:
        rows = await self.inventory.rows("SELECT order_id, state FROM hold WHERE order_id = ANY(%s)", self.orders)
        return {self.orders.index(row["order_id"]): row["state"] for row in rows}


def test_the_stock_is_what_the_model_says(world: World) -> None:
    with staged(opened(world)) as (run, inventory):
        explore(lambda: Stock(run, inventory), examples=8, steps=25)
