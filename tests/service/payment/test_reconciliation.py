"""Reconciling: every class of difference is made and found, and what is safe to repair is repaired once."""

import pytest

from services.contracts.events import OrderPaid
from tests.service.payment.books import Books, balance, found
from tests.service.payment.shop import Shop


@pytest.fixture
def books(shop: Shop) -> Books:
    return Books(shop)


async def test_what_is_equal_everywhere_differs_in_nothing(shop: Shop, books: Books) -> None:
    order, payment_id = await shop.paid()
    await shop.tell(order, OrderPaid, 2)
    await shop.refund(payment_id, "10.00")

    report = await books.reconcile()

    assert (report["is_equal"], found(report), report["repaired"]) == (True, [], [])
    assert balance(report) == ("14.40", "14.40")
    assert await shop.ledger() == {"stripe_clearing": 1440, "revenue": -1500, "stripe_fees": 60}
