"""Whatever happens in whatever order, the stock is what a simple model says and nothing is sold twice."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.contracts.events import OrderCancelled, OrderEvent, OrderPaid, OrderPlaced
from services.contracts.proto.inventory_pb2 import ReserveReply, SetLevelReply
from tests.service.inventory.conftest import Inventory
from tests.service.inventory.orders import order_event

ORDERS, PRODUCTS = 3, 2
_VERSIONS: dict[type[OrderEvent], int] = {OrderPlaced: 1, OrderPaid: 2, OrderCancelled: 3}

orders = st.integers(0, ORDERS - 1)
products = st.integers(0, PRODUCTS - 1)
steps = st.one_of(
    st.tuples(st.just("reserve"), orders, st.dictionaries(products, st.integers(1, 4), min_size=1)),
    st.tuples(st.just("event"), orders, st.sampled_from(list(_VERSIONS))),
    st.tuples(st.just("count"), products, st.integers(0, 8)),
    st.tuples(st.just("adjust"), products, st.integers(-4, 4)),
)


@dataclass
class Model:
    """Stock as a child would keep it: what is on hand, and what each order has taken aside."""

    on_hand: list[int] = field(default_factory=lambda: [0] * PRODUCTS)
    lines: dict[int, dict[int, int]] = field(default_factory=dict)
    state: dict[int, str] = field(default_factory=dict)
    seen: dict[int, int] = field(default_factory=dict)

    def reserved(self, product: int) -> int:
        return sum(self.lines[order].get(product, 0) for order, state in self.state.items() if state == "held")

    def reserve(self, order: int, lines: dict[int, int]) -> str:
        if order in self.lines:
            if self.lines[order] != lines:
                return "OTHER_LINES"
            return "HELD" if self.state[order] in {"held", "committed"} else "RELEASED"
        if any(self.on_hand[product] - self.reserved(product) < units for product, units in lines.items()):
            return "INSUFFICIENT"
        self.lines[order], self.state[order], self.seen[order] = lines, "held", 0
        return "HELD"

    def event(self, order: int, kind: type[OrderEvent]) -> str:
        if order not in self.lines:
            return "RETRY"
        version = _VERSIONS[kind]
        if version < self.seen[order]:
            return "SUCCESS"
        before = self.state[order]
        if kind is OrderPaid and before == "held":
            self._take(order, "committed", -1)
        if kind is OrderCancelled and before in {"held", "committed"}:
            self._take(order, "released" if before == "held" else "returned", int(before == "committed"))
        self.seen[order] = max(version, self.seen[order])
        return "SUCCESS"

    def _take(self, order: int, state: str, sign: int) -> None:
        self.state[order] = state
        for product, units in self.lines[order].items():
            self.on_hand[product] += sign * units

    def count(self, product: int, units: int) -> str:
        if units < self.reserved(product):
            return "BELOW_RESERVED"
        self.on_hand[product] = units
        return "SET"


async def play(inventory: Inventory, step: tuple[str, int, Any], orders: list[UUID], products: list[UUID]) -> str:
    kind, subject, what = step
    if kind == "reserve":
        reply = await inventory.reserve(orders[subject], {products[index]: units for index, units in what.items()})
        return ReserveReply.Outcome.Name(reply.outcome)
    if kind == "event":
        return await inventory.deliver(order_event(what, orders[subject], _VERSIONS[what]))
    change = {"on_hand" if kind == "count" else "adjust_by": what}
    return SetLevelReply.Outcome.Name((await inventory.set_level(products[subject], **change)).outcome)


def expect(model: Model, step: tuple[str, int, Any]) -> str:
    kind, subject, what = step
    if kind == "reserve":
        return model.reserve(subject, what)
    if kind == "event":
        return model.event(subject, what)
    return model.count(subject, what if kind == "count" else model.on_hand[subject] + what)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequence=st.lists(steps, min_size=5, max_size=20))
async def test_the_stock_is_what_the_model_says(inventory: Inventory, sequence: list[tuple[str, int, Any]]) -> None:
    model, orders, products = Model(), [uuid4() for _ in range(ORDERS)], await inventory.stocked(*[0] * PRODUCTS)

    for step in sequence:
        expected = expect(model, step)
        assert await play(inventory, step, orders, products) == expected
        levels = [await inventory.level(product) for product in products]
        assert levels == [(model.on_hand[index], model.reserved(index)) for index in range(PRODUCTS)]

    assert await inventory.ledger_differences() == []
