"""The drill of a lost database server: what it counts, and that it can fail."""

from collections import Counter
from dataclasses import replace

import pytest

from services.local.chaos.history import Attempt, Outcome
from services.local.proofs.projections import Rebuilt
from services.local.proofs.restore import Options, Orders, Result

WHOLE = Result(
    options=Options(journeys=20),
    orders=Orders(before=9, after=8, lost=0),
    findings=0,
    rebuilt=Rebuilt(rows=1_070, equal=1_070, others=0),
    seconds=6.52,
)


def placed(order: str, *, ended: float | None, outcome: Outcome = Outcome.OK) -> Attempt:
    """Somebody's try to order, as the history has it."""
    told = {"order_id": order} if outcome is Outcome.OK else {}
    return Attempt(
        id=order, process="ada", function="place", began=1.0, value={}, ended=ended, outcome=outcome, told=told
    )


def test_orders_are_counted_by_when_they_were_acknowledged() -> None:
    attempts = [placed("a", ended=2.0), placed("b", ended=9.0), placed("c", ended=9.0, outcome=Outcome.INFO)]

    assert Orders.counted(attempts, lost_at=5.0, existing={"a", "b"}) == Orders(before=1, after=1, lost=0)


def test_an_order_that_was_acknowledged_twice_counts_from_the_first_time() -> None:
    attempts = [placed("a", ended=2.0), placed("a", ended=9.0)]

    assert Orders.counted(attempts, lost_at=5.0, existing={"a"}) == Orders(before=1, after=0, lost=0)


@pytest.mark.parametrize("ended", [2.0, 9.0])
def test_an_acknowledged_order_that_is_not_there_is_lost(ended: float) -> None:
    orders = Orders.counted([placed("a", ended=ended), placed("b", ended=3.0)], lost_at=5.0, existing={"b"})

    assert orders.lost == 1
    assert not replace(WHOLE, orders=replace(WHOLE.orders, lost=orders.lost)).verdict.is_reached


def test_an_order_that_nobody_was_told_of_may_be_lost() -> None:
    attempts = [placed("a", ended=None, outcome=Outcome.INFO)]

    assert Orders.counted(attempts, lost_at=5.0, existing=set()) == Orders(before=0, after=0, lost=0)


def test_a_drill_in_which_everything_is_there_again_is_proven() -> None:
    verdict = WHOLE.verdict

    assert verdict.is_reached
    assert verdict.reached == (
        "9 orders acknowledged before the loss, 8 after it, 0 lost, 0 findings of the audit,"
        " 1,070 of 1,070 documents rebuilt equal, everything answers after 6.5 s"
    )


@pytest.mark.parametrize("orders", [Orders(before=0, after=17, lost=0), Orders(before=17, after=0, lost=0)])
def test_orders_on_one_side_of_the_loss_alone_prove_nothing(orders: Orders) -> None:
    assert not replace(WHOLE, orders=orders).verdict.is_reached


ROWS = Counter({("order", '{"id": 1}'): 1, ("order", '{"id": 2}'): 1, ("product", '{"id": 1}'): 1})


def test_documents_that_are_as_they_were_are_equal() -> None:
    assert Rebuilt.between(ROWS, Counter(ROWS)) == Rebuilt(rows=3, equal=3, others=0)
    assert Rebuilt.between(ROWS, Counter(ROWS)).is_equal


@pytest.mark.parametrize(
    ("after", "rebuilt"),
    [
        (ROWS - Counter({("order", '{"id": 2}'): 1}), Rebuilt(rows=3, equal=2, others=0)),
        (ROWS + Counter({("order", '{"id": 3}'): 1}), Rebuilt(rows=3, equal=3, others=1)),
        (
            ROWS - Counter({("product", '{"id": 1}'): 1}) + Counter({("order", '{"id": 1}'): 1}),
            Rebuilt(rows=3, equal=2, others=1),
        ),
        (Counter(), Rebuilt(rows=3, equal=0, others=0)),
    ],
)
def test_a_document_that_is_missing_changed_or_new_is_told(after: Counter[tuple[str, str]], rebuilt: Rebuilt) -> None:
    found = Rebuilt.between(ROWS, after)

    assert found == rebuilt
    assert not found.is_equal
    assert not replace(WHOLE, rebuilt=found).verdict.is_reached


def test_without_documents_nothing_is_proven() -> None:
    assert not Rebuilt.between(Counter(), Counter()).is_equal


def test_documents_that_were_not_there_before_are_told_in_words() -> None:
    assert Rebuilt(rows=2, equal=1, others=1).told == "1 of 2 documents rebuilt equal and 1 that were not there"
