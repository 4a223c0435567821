"""The payment's table of moves and the arithmetic of its refunds."""

from collections.abc import Callable
from datetime import UTC, datetime
from itertools import product
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.money import Money
from services.payment.domain.payment import (
    MOVES,
    Payment,
    PaymentMoveImpossible,
    PaymentStatus,
    payment_id_of,
)

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def payment(status: PaymentStatus = PaymentStatus.PENDING, *, captured: int = 0, refunded: int = 0) -> Payment:
    order_id = uuid4()
    return Payment(
        id=payment_id_of(order_id),
        order_id=order_id,
        user_id=uuid4(),
        status=status,
        amount_minor=2500,
        currency="EUR",
        captured_minor=captured,
        refunded_minor=refunded,
        intent_id="pi_1",
        version=7,
        created_at=NOW,
    )


CHANGES: dict[PaymentStatus, Callable[[Payment], object]] = {
    PaymentStatus.SUCCEEDED: lambda one: one.succeed(captured_minor=2500, at=NOW),
    PaymentStatus.FAILED: lambda one: one.decline(attempt=1, code="generic_decline", at=NOW),
    PaymentStatus.REQUIRES_ACTION: lambda one: one.await_customer(attempt=1, at=NOW),
    PaymentStatus.PARTIALLY_REFUNDED: lambda one: one.refund(refund_id=uuid4(), minor=1, reason=None, at=NOW),
    PaymentStatus.REFUNDED: lambda one: one.refund(refund_id=uuid4(), minor=2500, reason=None, at=NOW),
}


@pytest.mark.parametrize(("before", "after"), list(product(PaymentStatus, CHANGES)))
def test_every_pair_of_states_follows_the_table(before: PaymentStatus, after: PaymentStatus) -> None:
    moved = payment(before, captured=2500)

    if after in MOVES[before]:
        CHANGES[after](moved)
        assert (moved.status, moved.version) == (after, 8)
    else:
        with pytest.raises(PaymentMoveImpossible):
            CHANGES[after](moved)


def test_giving_an_attempt_up_is_no_fact() -> None:
    moved = payment()

    moved.give_up()

    assert (moved.status, moved.version) == (PaymentStatus.FAILED, 7)


def test_a_fact_carries_the_payment_after_it() -> None:
    fact = payment().succeed(captured_minor=2500, at=NOW)

    assert (fact.version, fact.at, fact.status) == (8, NOW, "succeeded")
    assert fact.captured_amount == fact.amount == Money.of(2500, "EUR")
    assert fact.refunded_amount == Money.of(0, "EUR")


@pytest.mark.parametrize(("was_counted", "left"), [(True, 0), (False, 1000)])
def test_a_refund_that_fails_opens_its_debt_again(*, was_counted: bool, left: int) -> None:
    refunded = payment(PaymentStatus.PARTIALLY_REFUNDED, captured=2500, refunded=1000)

    fact = refunded.fail_refund(refund_id=uuid4(), minor=1000, reason=None, was_counted=was_counted, at=NOW)

    assert (refunded.refunded_minor, fact.refund_amount) == (left, Money.of(1000, "EUR"))


@given(st.lists(st.integers(min_value=1, max_value=500), max_size=5))
def test_refunds_add_up(parts: list[int]) -> None:
    refunded = payment(PaymentStatus.SUCCEEDED, captured=2500)

    for part in parts:
        refunded.refund(refund_id=uuid4(), minor=part, reason=None, at=NOW)

    assert refunded.refunded_minor == sum(parts)
    expected = {0: PaymentStatus.SUCCEEDED, 2500: PaymentStatus.REFUNDED}
    assert refunded.status is expected.get(sum(parts), PaymentStatus.PARTIALLY_REFUNDED)


def test_an_order_has_one_payment_for_ever() -> None:
    order_id = uuid4()

    assert payment_id_of(order_id) == payment_id_of(order_id)
    assert payment_id_of(order_id) != payment_id_of(uuid4())
