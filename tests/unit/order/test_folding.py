"""An order and the order that its facts tell are the same, after every fact."""

from collections.abc import Callable
from copy import deepcopy
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contracts.events import OrderEvent, event_types
from services.order.domain.folding import FactsMissing, fold
from services.order.domain.lines import lines_of
from services.order.domain.order import Order
from services.shared.errors import Refusal
from tests.unit.order.builders import AT, CUSTOMER, HOME, PAYMENT, STAFF, product

LATER = AT + timedelta(minutes=1)
CAUSE = UUID(int=7)
MOVES: dict[str, Callable[[Order], OrderEvent]] = {
    "pay": lambda order: order.pay(PAYMENT, by=STAFF, at=LATER, cause=CAUSE),
    "take late": lambda order: order.take_late(PAYMENT, by=STAFF, at=LATER),
    "ship": lambda order: order.ship(carrier="DHL", tracking_number="1", by=STAFF, at=LATER),
    "deliver": lambda order: order.deliver(by=STAFF, at=LATER),
    "cancel": lambda order: order.cancel(by=CUSTOMER, reason="requested", at=LATER, cause=CAUSE),
    "refund": lambda order: order.refund(PAYMENT, by=STAFF, reason=None, at=LATER),
    "readdress": lambda order: order.readdress(HOME, by=CUSTOMER, at=LATER),
    "note": lambda order: order.note("a word", by=STAFF, at=AT, cause=CAUSE),
}


def placed() -> tuple[Order, list[OrderEvent]]:
    lamp = product("12.50")
    order, fact = Order.place(
        uuid4(),
        user_id=uuid4(),
        lines=lines_of([(lamp.product_id, 2)], [lamp]),
        shipping_address=HOME,
        by=CUSTOMER,
        at=AT,
    )
    return order, [fact]


def as_kept(fact: OrderEvent) -> OrderEvent:
    found = event_types()[fact.TYPE].model_validate(fact.model_dump(mode="json"))
    assert isinstance(found, OrderEvent)
    return found


@settings(deadline=None)
@given(st.lists(st.sampled_from(list(MOVES)), max_size=10))
def test_the_facts_tell_the_order_after_each_of_them(moves: list[str]) -> None:
    order, facts = placed()
    lives = [deepcopy(order)]
    for move in moves:
        try:
            facts.append(MOVES[move](order))
        except Refusal:
            continue
        lives.append(deepcopy(order))

    for count, life in enumerate(lives, start=1):
        assert fold([as_kept(fact) for fact in facts[:count]], address=HOME) == life


def test_facts_that_are_not_all_there_tell_nothing() -> None:
    order, facts = placed()
    facts += [order.pay(PAYMENT, by=STAFF, at=LATER), order.cancel(by=STAFF, reason="requested", at=LATER)]

    for told in ([], facts[1:], [facts[0], facts[2]], facts[::-1]):
        with pytest.raises(FactsMissing):
            fold(told, address=None)
