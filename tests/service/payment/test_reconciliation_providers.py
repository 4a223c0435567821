"""The balance's movements, told alike by the double and by Stripe's SDK."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from services.payment.clients.provider import CallInvalid, OutcomeUnknown, Provider
from services.payment.clients.provider_double import Fault
from services.payment.domain.reconciliation import Movement, MovementKind
from tests.service.payment.banks import Bank, provider_of

pytestmark = pytest.mark.parametrize("bank", ["double", "stripe"], indirect=True)


@pytest.fixture
async def provider(bank: Bank) -> AsyncIterator[Provider]:
    async with provider_of(bank) as provider:
        yield provider


async def charged(provider: Provider, order_id: UUID) -> str:
    metadata = {"order_id": str(order_id)}
    intent = await provider.create(key=f"pi:{order_id}", amount_minor=2500, currency="EUR", metadata=metadata)
    await provider.confirm(intent.id, key=f"confirm:{order_id}", payment_method="pm_card_visa")
    return intent.id


async def moved(provider: Provider, intent_id: str) -> list[Movement]:
    """The movements of an intent, newest first, from all pages."""
    page = await provider.list_movements(since=None)
    movements = list(page.movements)
    while page.after is not None:
        page = await provider.list_movements(since=None, after=page.after)
        movements += page.movements
    return [one for one in movements if one.intent_id == intent_id]


async def test_a_charge_and_its_refund_tell_whose_they_are(provider: Provider) -> None:
    order_id, refund_id = uuid4(), uuid4()
    intent_id = await charged(provider, order_id)
    made = await provider.refund(intent_id, key=str(refund_id), amount_minor=1000, refund_id=str(refund_id))

    refund, charge = await moved(provider, intent_id)

    assert (charge.kind, charge.amount_minor, charge.fee_minor, charge.currency) == (
        MovementKind.CHARGE,
        2500,
        60,
        "EUR",
    )
    assert (charge.order_id, charge.refund_id) == (order_id, None)
    assert (refund.kind, refund.amount_minor, refund.fee_minor) == (MovementKind.REFUND, -1000, 0)
    assert (refund.source, refund.refund_id) == (made.id, refund_id)
    assert charge.created_at <= refund.created_at
    assert refund.created_at.microsecond == 0


async def test_a_refund_by_hand_names_none_of_ours(provider: Provider) -> None:
    intent_id = await charged(provider, uuid4())
    await provider.refund(intent_id, key=str(uuid4()), amount_minor=1000, refund_id="by-hand")

    refund, _ = await moved(provider, intent_id)

    assert refund.refund_id is None


async def test_only_what_moved_since_then_is_listed(provider: Provider) -> None:
    await charged(provider, uuid4())
    now = datetime.now(UTC)

    before = await provider.list_movements(since=now - timedelta(minutes=1))
    after = await provider.list_movements(since=now + timedelta(minutes=1))

    assert len(before.movements) > 0
    assert (after.movements, after.after) == ([], None)


async def test_a_page_after_a_movement_that_does_not_exist_is_invalid(provider: Provider) -> None:
    with pytest.raises(CallInvalid):
        await provider.list_movements(since=None, after="txn_nobodyknows")


async def test_a_list_that_is_not_answered_is_unknown(provider: Provider, bank: Bank) -> None:
    operation = "movements" if bank.address is None else "list"
    await bank.go_wrong(operation, Fault.DROP_REQUEST, times=2)

    with pytest.raises(OutcomeUnknown):
        await provider.list_movements(since=None)
