"""The table of a dispute's moves, what a dispute does to its payment, and how long a debt rests."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import uuid4

import pytest

from services.contracts.money import Money
from services.payment.domain.disputes import DECIDED, FORMAL, MOVES, Dispute
from services.payment.domain.intents import DisputeStatus
from services.payment.domain.payment import PaymentStatus
from services.payment.domain.refunds import pause_before, refund_id_again, repaying_refund_id
from tests.unit.payment.test_payment import payment

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def dispute(status: DisputeStatus, minor: int = 1000) -> Dispute:
    return Dispute(
        id="du_1",
        payment_id=uuid4(),
        amount_minor=minor,
        currency="EUR",
        reason="fraudulent",
        status=status,
        opened_at=NOW,
        updated_at=NOW,
    )


def test_a_dispute_never_goes_back_and_only_an_appeal_changes_what_is_decided() -> None:
    decided = {(before, after) for before in DECIDED for after in MOVES[before]}

    assert set(MOVES) == set(DisputeStatus)
    assert decided == {(DisputeStatus.LOST, DisputeStatus.WON)}
    assert all(DisputeStatus.INQUIRY not in after for after in MOVES.values())
    assert all(not MOVES[before] - FORMAL for before in FORMAL)


@pytest.mark.parametrize(("outcome", "lost"), [(DisputeStatus.WON, 0), (DisputeStatus.LOST, 1000)])
def test_a_dispute_is_counted_while_it_is_open_and_what_it_took_when_it_is_lost(
    outcome: DisputeStatus, lost: int
) -> None:
    disputed = payment(PaymentStatus.SUCCEEDED, captured=2500)

    opened = disputed.dispute(dispute(DisputeStatus.OPEN), at=NOW)
    was_open = disputed.is_disputed
    closed = disputed.close_dispute(dispute(outcome), was=DisputeStatus.OPEN, at=NOW)

    assert (was_open, disputed.is_disputed) == (True, False)
    assert (disputed.lost_minor, disputed.kept_minor) == (lost, 2500 - lost)
    assert (opened.version, closed.version, closed.outcome) == (8, 9, outcome)
    assert opened.dispute_amount == closed.dispute_amount == Money.of(1000, "EUR")
    assert opened.status == closed.status == "succeeded"


def test_an_appeal_brings_back_what_was_lost() -> None:
    disputed = payment(PaymentStatus.SUCCEEDED, captured=2500)
    disputed.dispute(dispute(DisputeStatus.OPEN), at=NOW)
    disputed.close_dispute(dispute(DisputeStatus.LOST), was=DisputeStatus.OPEN, at=NOW)

    disputed.close_dispute(dispute(DisputeStatus.WON), was=DisputeStatus.LOST, at=NOW)

    assert (disputed.disputed_minor, disputed.lost_minor) == (0, 0)


def test_a_debt_rests_longer_every_time_and_never_for_more_than_a_day() -> None:
    pauses = [pause_before(tries) for tries in range(12)]

    assert pauses[0] == timedelta(minutes=1)
    assert all(one <= later for one, later in pairwise(pauses))
    assert pauses[-1] == timedelta(days=1)


def test_every_try_to_pay_a_debt_has_an_identity_of_its_own() -> None:
    payment_id, command_id = uuid4(), uuid4()
    ids = [repaying_refund_id(payment_id, n) for n in range(5)]

    assert len(set(ids)) == 5
    assert repaying_refund_id(payment_id, 0) == ids[0]
    assert refund_id_again(command_id, ids[0]) != refund_id_again(command_id, ids[1])
