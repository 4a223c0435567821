"""Orders as a child would keep them: where each stands, and how many lines its history has."""

from copy import deepcopy
from dataclasses import dataclass, field
from itertools import permutations

from hypothesis import strategies as st

ORDERS = 2

Step = tuple[str, int, int]
"""What is done, to which order, and a number where there are several of its kind."""

_orders = st.integers(0, ORDERS - 1)
_deeds = st.sampled_from(
    [
        "pay",
        "pay",
        "ship",
        "deliver",
        "refund some",
        "refund some",
        "fail",
        "readdress",
        "place",
        "cancel",
        "refund all",
    ]
)
STEPS: st.SearchStrategy[Step] = st.tuples(_deeds, _orders, st.integers(0, 1))
OK, CREATED, MISSING, CONFLICT = "200", "201", "404", "409"
DONE, AGAIN = "SUCCESS", "RETRY"
_EVENTS = frozenset({"pay", "refund all", "refund some", "fail"})
_NEXT = {"ship": ("paid", "shipped"), "deliver": ("shipped", "delivered")}


@dataclass
class Story:
    """One order; `lines` counts its history."""

    status: str = ""
    lines: int = 0
    address: int = 0
    has_payment: bool = False
    has_left: bool = False
    heard: set[tuple[str, int]] = field(default_factory=set)

    def take(self, deed: str, number: int) -> str:
        """Do it; answers what the service should."""
        if not self.status and deed != "place":
            return AGAIN if deed in _EVENTS else MISSING
        answer: str = getattr(self, f"_{deed.replace(' ', '_')}")(number) if deed not in _NEXT else self._go(deed)
        return answer

    def expire(self, outcome: str) -> None:
        """Its time is over, and payment says how that ends."""
        if self.status == "pending" and outcome == "closed":
            self._become("cancelled")
        elif self.status == "pending" and outcome == "paid":
            self._pay(0)

    def _become(self, status: str) -> None:
        self.status, self.lines = status, self.lines + 1

    def _place(self, _: int) -> str:
        if not self.status:
            self._become("pending")
        return CREATED

    def _pay(self, _: int) -> str:
        if self.status == "pending":
            self._become("paid")
        elif self.status == "cancelled" and not self.has_payment:
            self.lines += 1
        self.has_payment = True
        return DONE

    def _refund_some(self, number: int) -> str:
        return AGAIN if self.status == "pending" and ("some", number) not in self.heard else self._note("some", number)

    def _fail(self, number: int) -> str:
        return self._note("fail", number)

    def _note(self, what: str, number: int) -> str:
        if (what, number) not in self.heard:
            self.heard.add((what, number))
            self.lines += 1
        return DONE

    def _refund_all(self, _: int) -> str:
        if self.status == "pending":
            return AGAIN
        if self.status == "paid":
            self._become("cancelled")
        if self.status != "refunded":
            self._become("refunded")
        self.has_payment = True
        return DONE

    def _cancel(self, _: int) -> str:
        if self.status in {"pending", "paid"}:
            self._become("cancelled")
        return OK if self.status in {"cancelled", "refunded"} and not self.has_left else CONFLICT

    def _go(self, deed: str) -> str:
        before, after = _NEXT[deed]
        if self.status == before:
            self._become(after)
            self.has_left = True
        return OK if self.status == after else CONFLICT

    def _readdress(self, number: int) -> str:
        if number == self.address:
            return OK
        if self.status not in {"pending", "paid"}:
            return CONFLICT
        self.address, self.lines = number, self.lines + 1
        return OK


@dataclass
class Model:
    """All orders."""

    stories: list[Story] = field(default_factory=lambda: [Story() for _ in range(ORDERS)])

    def take(self, step: Step) -> str:
        """Do a step; answers what the service should."""
        deed, order, number = step
        return self.stories[order].take(deed, number)

    def seen(self) -> list[tuple[str, int]]:
        """The status of each order and the lines of its history."""
        return [(story.status, story.lines) for story in self.stories]


def explained(before: Model, steps: list[Step], answers: list[str], seen: list[tuple[str, int]]) -> list[Model]:
    """What the model is after steps at once, for every order of them that gives these answers and this outcome."""
    found = []
    for order in permutations(range(len(steps))):
        model = deepcopy(before)
        if all(model.take(steps[index]) == answers[index] for index in order) and model.seen() == seen:
            found.append(model)
    return found
