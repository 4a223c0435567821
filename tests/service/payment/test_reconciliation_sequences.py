"""Whatever happens in whatever order and whoever hears of it, ledger and provider end equal in every currency."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from services.contracts.events import OrderPaid, OrderShipped
from services.payment.clients.provider import OutcomeUnknown
from services.payment.clients.provider_double import Fault
from services.payment.domain.intents import DisputeStatus, RefundStatus
from services.payment.domain.reconciliation import MovementKind
from tests.service.payment.books import Books, Sale, found
from tests.service.payment.shop import Order, Shop

CURRENCIES = ("EUR", "USD", "JPY")
currencies = st.sampled_from(CURRENCIES)
minors = st.integers(50, 90_000)
sales = st.integers(0, 9)
steps = st.one_of(
    st.tuples(st.sampled_from(["capture", "missed capture", "lost answer"]), currencies, minors),
    st.tuples(st.sampled_from(["refund", "refund by hand", "lost refund"]), sales, minors),
    st.tuples(st.sampled_from(["dispute", "failing refund"]), sales, st.sampled_from(DisputeStatus)),
    st.tuples(st.sampled_from(["fee", "payout"]), currencies, minors),
    st.tuples(st.just("reconcile"), st.just(""), st.just(0)),
)


@dataclass
class Play:
    """One sequence, with the sales that it has made.

    An answer that was to be lost and never came is lost by whoever asks the provider for the next refund.
    """

    books: Books
    sales: list[Sale] = field(default_factory=list)

    @property
    def shop(self) -> Shop:
        return self.books.shop

    async def do(self, kind: str, subject: Any, what: Any) -> None:
        if kind == "reconcile":
            await self.books.reconcile()
        elif kind in {"fee", "payout"}:
            self.books.balance.add(MovementKind(kind), -what, currency=subject)
        elif isinstance(subject, str):
            await self._capture(kind, Order(minor=what, currency=subject))
        elif self.sales:
            await self._change(kind, self.sales[subject % len(self.sales)], what)

    async def _capture(self, kind: str, order: Order) -> None:
        order = await self.shop.order(**vars(order))
        method = "pm_card_chargeDeclined" if kind == "missed capture" else "pm_card_visa"
        if kind == "lost answer":
            self.books.provider.go_wrong("confirm", Fault.DROP_ANSWER)
        answer = (await self.shop.pay(order, method, key=str(order.id))).json()
        intent_id = next(reversed(self.books.provider.accounts))
        if kind == "missed capture":
            await self.books.provider.confirm(intent_id, key=str(uuid4()), payment_method="pm_card_visa")
        await self.shop.tell(order, OrderPaid, 2)
        await self.shop.tell(order, OrderShipped, 3)
        self.sales.append(Sale(order, answer.get("payment_id") or answer["id"], intent_id))

    async def _change(self, kind: str, sale: Sale, what: Any) -> None:
        account = self.books.provider.accounts[sale.intent_id]
        left = account.amount_minor - account.given_back
        if kind == "failing refund":
            for made in [made for made in account.refunds.values() if made.status is RefundStatus.SUCCEEDED][:1]:
                self.books.provider.change_refund(made.id, RefundStatus.FAILED)
        elif left and not account.disputes:
            minor = 1 + (what % left if isinstance(what, int) else 0)
            await (self._dispute(sale, left, what) if kind == "dispute" else self._refund(kind, sale, minor))

    async def _dispute(self, sale: Sale, left: int, status: DisputeStatus) -> None:
        reference = self.books.provider.dispute(sale.intent_id, amount_minor=left)
        if status in {DisputeStatus.WON, DisputeStatus.LOST}:
            self.books.provider.close_dispute(reference, status)

    async def _refund(self, kind: str, sale: Sale, minor: int) -> None:
        if kind == "refund by hand":
            with suppress(OutcomeUnknown):
                await self.books.by_hand(sale, minor)
            return
        if kind == "lost refund":
            self.books.provider.go_wrong("refund", Fault.DROP_ANSWER)
        digits = 0 if sale.order.currency == "JPY" else 2
        amount, currency = f"{minor / 10**digits:.{digits}f}", sale.order.currency
        await self.shop.refund(sale.payment_id, amount, currency=currency, key=str(uuid4()))


NewShop = Callable[[], AbstractAsyncContextManager[Shop]]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequence=st.lists(steps, min_size=4, max_size=16))
@example(
    sequence=[
        ("capture", "EUR", 2500),
        ("refund by hand", 0, 999),
        ("failing refund", 0, DisputeStatus.OPEN),
        ("reconcile", "", 0),
    ]
)
async def test_ledger_and_provider_are_equal_after_any_sequence(
    new_shop: NewShop, sequence: list[tuple[str, Any, Any]]
) -> None:
    async with new_shop() as shop:
        await play_through(Books(shop), sequence)


async def play_through(books: Books, sequence: list[tuple[str, Any, Any]]) -> None:
    play = Play(books)

    for step in sequence:
        await play.do(*step)
    await books.reconcile()
    await books.shop.work(minutes=10)
    report = await books.reconcile()

    assert [one for one in found(report) if one[1] != "order"] == []
    sums = [(one["movement"], one["currency"], one["orders"] or one["ledger"]) for one in report["sums"]]
    assert sums == [(one["movement"], one["currency"], one["ledger"]) for one in report["sums"]]
    assert sums == [(one["movement"], one["currency"], one["provider"]) for one in report["sums"]]
