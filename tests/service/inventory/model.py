"""Stock as a child would keep it: what is on hand, and what each order has taken aside."""

from copy import deepcopy
from dataclasses import dataclass, field
from itertools import permutations
from typing import Any

from hypothesis import strategies as st

from services.contracts.events import OrderCancelled, OrderEvent, OrderPaid, OrderPlaced

ORDERS, PRODUCTS = 3, 2

Step = tuple[str, int, Any]
"""What is done, to which order or product, and how."""

_orders = st.integers(0, ORDERS - 1)
_products = st.integers(0, PRODUCTS - 1)
_told = st.sampled_from([(OrderPaid, 2), (OrderCancelled, 3), (OrderCancelled, 2), (OrderPlaced, 1)])
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.tuples(st.just("reserve"), _orders, st.dictionaries(_products, st.integers(1, 4), min_size=1)),
    st.tuples(st.just("event"), _orders, _told),
    st.tuples(st.just("event"), _orders, _told),
    st.tuples(st.just("event"), _orders, _told),
    st.tuples(st.just("count"), _products, st.integers(0, 8)),
    st.tuples(st.just("adjust"), _products, st.integers(-4, 4)),
)


@dataclass
class Model:
    """Levels and holds. An answer is the name that the service has for it."""

    on_hand: list[int] = field(default_factory=lambda: [0] * PRODUCTS)
    lines: dict[int, dict[int, int]] = field(default_factory=dict)
    state: dict[int, str] = field(default_factory=dict)
    seen: dict[int, int] = field(default_factory=dict)

    def levels(self) -> list[tuple[int, int]]:
        """On hand and reserved, product by product."""
        return [(self.on_hand[product], self._reserved(product)) for product in range(PRODUCTS)]

    def take(self, step: Step) -> str:
        """Do a step; answers what the service should."""
        kind, subject, what = step
        if kind == "reserve":
            return self._reserve(subject, what)
        if kind == "event":
            return self._event(subject, *what)
        return self._count(subject, what if kind == "count" else self.on_hand[subject] + what)

    def _reserved(self, product: int) -> int:
        return sum(self.lines[order].get(product, 0) for order, state in self.state.items() if state == "held")

    def _reserve(self, order: int, lines: dict[int, int]) -> str:
        if order in self.lines:
            if self.lines[order] != lines:
                return "OTHER_LINES"
            return "HELD" if self.state[order] in {"held", "committed"} else "RELEASED"
        if any(self.on_hand[product] - self._reserved(product) < units for product, units in lines.items()):
            return "INSUFFICIENT"
        self.lines[order], self.state[order], self.seen[order] = lines, "held", 0
        return "HELD"

    def _event(self, order: int, kind: type[OrderEvent], version: int) -> str:
        if order not in self.lines:
            return "RETRY"
        before = self.state[order]
        if kind is OrderPlaced:
            self.seen[order] = max(version, self.seen[order])
        elif version < self.seen[order]:
            return "SUCCESS"
        elif kind is OrderPaid and before == "held":
            self._move(order, "committed", version, -1)
        elif kind is OrderCancelled and before in {"held", "committed"}:
            self._move(order, "released" if before == "held" else "returned", version, int(before == "committed"))
        return "SUCCESS"

    def _move(self, order: int, state: str, version: int, sign: int) -> None:
        self.state[order], self.seen[order] = state, version
        for product, units in self.lines[order].items():
            self.on_hand[product] += sign * units

    def _count(self, product: int, units: int) -> str:
        if units < self._reserved(product):
            return "BELOW_RESERVED"
        self.on_hand[product] = units
        return "SET"


def explained(before: Model, steps: list[Step], answers: list[str], levels: list[tuple[int, int]]) -> list[Model]:
    """What the model is after steps at once, for every order of them that gives these answers and levels."""
    found = []
    for order in permutations(range(len(steps))):
        model = deepcopy(before)
        if all(model.take(steps[index]) == answers[index] for index in order) and model.levels() == levels:
            found.append(model)
    return found
