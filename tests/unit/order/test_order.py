from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from itertools import product as pairs
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.events import (
    OrderCancelled,
    OrderDelivered,
    OrderEvent,
    OrderNoted,
    OrderPaid,
    OrderPlaced,
    OrderReaddressed,
    OrderRefunded,
    OrderShipped,
)
from services.contracts.money import LARGEST_MINOR, Money
from services.order.domain.lines import (
    MixedCurrencies,
    TooManyUnits,
    TotalTooLarge,
    UnknownProduct,
    lines_of,
    total_of,
)
from services.order.domain.order import (
    MOST_READDRESSINGS,
    MOVES,
    READDRESSABLE,
    Order,
    OrderCannotBeReaddressed,
    OrderCannotMove,
    OrderStatus,
    ReaddressedTooOften,
    diagram,
)
from tests.unit.order.builders import AT, CUSTOMER, HOME, PAYMENT, STAFF, WORK, order_in, placed, product

LATER = AT + timedelta(minutes=1)
PARCEL = {"carrier": "DHL", "tracking_number": "00340"}

CHANGES: dict[OrderStatus, tuple[type[OrderEvent], Callable[[Order], OrderEvent]]] = {
    OrderStatus.PAID: (OrderPaid, lambda order: order.pay(PAYMENT, by="service:payment", at=LATER)),
    OrderStatus.SHIPPED: (OrderShipped, lambda order: order.ship(**PARCEL, by=STAFF, at=LATER)),
    OrderStatus.DELIVERED: (OrderDelivered, lambda order: order.deliver(by=STAFF, at=LATER)),
    OrderStatus.CANCELLED: (OrderCancelled, lambda order: order.cancel(by=CUSTOMER, reason="requested", at=LATER)),
    OrderStatus.REFUNDED: (OrderRefunded, lambda order: order.refund(PAYMENT, by=STAFF, reason=None, at=LATER)),
}

ALLOWED = {
    ("pending", "paid"),
    ("pending", "cancelled"),
    ("paid", "shipped"),
    ("paid", "cancelled"),
    ("shipped", "delivered"),
    ("shipped", "refunded"),
    ("delivered", "refunded"),
    ("cancelled", "refunded"),
}


def test_the_table_holds_exactly_the_moves_of_the_contract() -> None:
    table = {(before, after) for before, moves in MOVES.items() for after in moves}

    assert table == ALLOWED


@pytest.mark.parametrize(("before", "after"), list(pairs(OrderStatus, CHANGES)))
def test_every_pair_of_states_moves_or_refuses_as_the_table_says(before: OrderStatus, after: OrderStatus) -> None:
    order = order_in(before)
    fact_type, change = CHANGES[after]

    if (before, after) in ALLOWED:
        fact = change(order)

        assert type(fact) is fact_type
        assert (order.status, order.version, order.updated_at) == (after, 2, LATER)
        assert (fact.order_id, fact.status, fact.version, fact.at) == (order.id, after, 2, LATER)
        assert (order.history[-1].status, order.history[-1].actor) == (after, fact.actor)
    else:
        untouched = (order.version, order.payment_id, order.carrier, list(order.history))

        with pytest.raises(OrderCannotMove, match=f"An order that is {before} cannot become {after}."):
            change(order)

        assert (order.version, order.payment_id, order.carrier, order.history) == untouched
        assert order.status is before


@pytest.mark.parametrize("status", OrderStatus)
def test_an_address_changes_only_while_the_parcel_has_not_left(status: OrderStatus) -> None:
    order = order_in(status)

    if status in READDRESSABLE:
        fact = order.readdress(WORK, by=CUSTOMER, at=LATER)

        assert (type(fact), fact.version, order.shipping_address) == (OrderReaddressed, 2, WORK)
        assert "2 Street" not in fact.model_dump_json()
        assert order.history[-1].reason == "address-changed"
    else:
        with pytest.raises(OrderCannotBeReaddressed, match=f"that is {status} cannot"):
            order.readdress(WORK, by=CUSTOMER, at=LATER)

        assert (order.version, order.shipping_address) == (1, HOME)


def test_an_address_does_not_change_without_end() -> None:
    order = order_in(OrderStatus.PAID)
    for address in (WORK, HOME) * (MOST_READDRESSINGS // 2):
        order.readdress(address, by=CUSTOMER, at=LATER)

    with pytest.raises(ReaddressedTooOften, match="at most 50 times"):
        order.readdress(WORK, by=CUSTOMER, at=LATER)

    assert (order.version, order.shipping_address) == (1 + MOST_READDRESSINGS, HOME)


def test_a_placed_order_is_pending_for_15_minutes_and_tells_so() -> None:
    lamp, user_id = product("12.50"), uuid4()
    lines = lines_of([(lamp.product_id, 2)], [lamp])

    order, fact = Order.place(uuid4(), user_id=user_id, lines=lines, shipping_address=HOME, by=CUSTOMER, at=AT)

    assert type(fact) is OrderPlaced
    assert (order.status, order.version, order.expires_at) == ("pending", 1, AT + timedelta(minutes=15))
    assert (fact.version, fact.user_id, fact.expires_at, fact.actor) == (1, user_id, order.expires_at, CUSTOMER)
    assert (fact.lines, str(fact.total_amount)) == (tuple(lines), "25.00 EUR")
    assert "1 Road" not in fact.model_dump_json()


def test_a_payment_and_a_parcel_are_kept_and_told() -> None:
    order = placed((product(), 1))

    paid = order.pay(PAYMENT, by="service:payment", at=LATER)
    shipped = order.ship(**PARCEL, by=STAFF, at=LATER)

    assert (order.payment_id, paid.payment_id, shipped.payment_id) == (PAYMENT, PAYMENT, PAYMENT)
    assert (order.carrier, order.tracking_number) == ("DHL", "00340")
    assert (shipped.carrier, shipped.tracking_number) == ("DHL", "00340")
    assert order.is_shipped_with("DHL", "00340")
    assert not order.is_shipped_with("DHL", "00341")


def test_a_note_does_not_move_the_order_and_is_a_fact_with_a_version() -> None:
    order, cause = order_in(OrderStatus.CANCELLED), uuid4()

    fact = order.note("a thing happened", by="service:payment", at=LATER, cause=cause)

    assert (order.status, order.version, order.updated_at) == ("cancelled", 2, LATER)
    assert (type(fact), fact.reason, fact.cause) == (OrderNoted, "a thing happened", cause)
    assert order.history[-1].reason == "a thing happened"
    assert (order.knows(cause), order.knows(uuid4())) == (True, False)


def test_money_that_comes_late_is_told_with_its_payment() -> None:
    order = order_in(OrderStatus.CANCELLED)

    fact = order.take_late(PAYMENT, by="service:payment", at=LATER)

    assert (order.status, order.payment_id, fact.payment_id) == ("cancelled", PAYMENT, PAYMENT)
    assert fact.reason == "paid-after-cancellation"


def test_a_product_wanted_twice_is_one_line_of_the_sum() -> None:
    lamp, rug = product("12.50"), product("3.00", sku="RUG-1", name="Rug")
    wanted = [(lamp.product_id, 1), (rug.product_id, 2), (lamp.product_id, 3)]

    lines = lines_of(wanted, [rug, lamp])

    assert [(line.sku, line.quantity, str(line.line_total)) for line in lines] == [
        ("LAMP-1", 4, "50.00 EUR"),
        ("RUG-1", 2, "6.00 EUR"),
    ]


def test_a_product_wanted_more_often_than_a_line_goes_is_refused_by_its_positions() -> None:
    lamp, rug = product(), product()

    with pytest.raises(TooManyUnits, match="at most 1000 units") as refusal:
        lines_of([(lamp.product_id, 1000), (rug.product_id, 1000), (lamp.product_id, 1)], [lamp, rug])

    assert [error["field"] for error in refusal.value.errors] == ["items.0.quantity", "items.2.quantity"]


def test_unknown_and_inactive_products_are_refused_by_their_position() -> None:
    lamp, retired = product(), product(is_active=False)

    with pytest.raises(UnknownProduct) as refusal:
        lines_of([(lamp.product_id, 1), (retired.product_id, 1), (uuid4(), 1)], [lamp, retired])

    assert [error["field"] for error in refusal.value.errors] == ["items.1.product_id", "items.2.product_id"]


def test_lines_in_several_currencies_are_refused() -> None:
    with pytest.raises(MixedCurrencies, match="EUR, USD"):
        placed((product(currency="EUR"), 1), (product(currency="USD"), 1))


def test_a_total_that_the_wire_cannot_carry_is_refused() -> None:
    with pytest.raises(TotalTooLarge, match=r"99999999999\.99 EUR"):
        placed((product("90000000000.00"), 2))


@given(st.lists(st.tuples(st.integers(0, 10_000_000), st.integers(1, 1000)), min_size=1, max_size=100))
def test_the_total_is_exactly_the_sum_of_units_times_prices(wanted: list[tuple[int, int]]) -> None:
    products = [product().model_copy(update={"price": Money.of(minor, "EUR")}) for minor, _ in wanted]
    pairs_wanted = [(one.product_id, units) for one, (_, units) in zip(products, wanted, strict=True)]

    total = total_of(lines_of(pairs_wanted, products))

    assert total.minor == sum(minor * units for minor, units in wanted) <= LARGEST_MINOR


@given(st.lists(st.sampled_from(list(CHANGES)), max_size=12))
def test_whatever_is_tried_versions_count_the_facts_and_history_follows_the_table(tried: list[OrderStatus]) -> None:
    order, facts = placed((product(), 1)), 1

    for after in tried:
        try:
            CHANGES[after][1](order)
        except OrderCannotMove:
            continue
        facts += 1

    states = [entry.status for entry in order.history]
    assert order.version == facts == len(states)
    assert all(after in MOVES[before] for before, after in pairwise(states))


def test_the_diagram_shows_every_move_and_the_only_end() -> None:
    lines = diagram().splitlines()

    assert lines[:2] == ["stateDiagram-v2", "    [*] --> pending"]
    assert lines[-1] == "    refunded --> [*]"
    assert {tuple(line.split(" --> ")) for line in lines[2:-1]} == {(f"    {a}", b) for a, b in ALLOWED}


def test_the_readme_shows_the_diagram() -> None:
    readme = Path(__file__).parents[3] / "README.md"

    assert diagram() in readme.read_text()
