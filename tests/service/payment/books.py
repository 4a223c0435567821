"""A reconciliation as staff see it, and the provider's hand in it."""

from dataclasses import dataclass, replace
from typing import Any

import httpx2

from services.contracts.events import OrderPaid, OrderShipped
from services.payment.app import reconciliation
from services.payment.clients.balance_double import BalanceDouble
from services.payment.clients.provider_double import ProviderDouble
from services.payment.domain.reconciliation import MovementKind
from services.shared.identity import Role
from tests.service.payment.banks import DoubleBank
from tests.service.payment.shop import Order, Shop


@dataclass(frozen=True)
class Sale:
    """An order that was paid, and the names that its payment has here and at the provider."""

    order: Order
    payment_id: str
    intent_id: str


@dataclass
class Books:
    """What staff ask of the reconciliation, and what they read in its report."""

    shop: Shop

    @property
    def provider(self) -> ProviderDouble:
        assert isinstance(self.shop.bank, DoubleBank)
        return self.shop.bank.provider

    @property
    def balance(self) -> BalanceDouble:
        return self.provider.balance

    async def sale(self, method: str = "pm_card_visa") -> Sale:
        """An order that was paid and knows it."""
        order = await self.shop.order()
        answer = await self.shop.pay(order, method, key=str(order.id))
        assert answer.status_code == 201, answer.text
        await self.shop.tell(order, OrderPaid, 2)
        return Sale(order, answer.json()["id"], answer.json()["provider_reference"])

    async def shipped(self, method: str = "pm_card_visa") -> Sale:
        """An order that was paid and shipped."""
        sale = await self.sale(method=method)
        await self.shop.tell(sale.order, OrderShipped, 3)
        return sale

    async def unheard(self) -> Sale:
        """An order that was declined here and charged at the provider afterwards, which told nobody."""
        order = await self.shop.order()
        declined = await self.shop.pay(order, "pm_card_chargeDeclined", key=str(order.id))
        intent_id = next(reversed(self.provider.accounts))
        await self.provider.confirm(intent_id, key=f"elsewhere:{order.id}", payment_method="pm_card_visa")
        return Sale(order, declined.json()["payment_id"], intent_id)

    async def by_hand(self, sale: Sale, minor: int) -> str:
        """A refund that somebody made at the provider; answers its id there."""
        name = f"hand-{len(self.provider.calls)}"
        made = await self.provider.refund(sale.intent_id, key=name, amount_minor=minor, refund_id=name)
        return made.id

    def alter(self, source: str | None = None, **change: Any) -> None:
        """Let the provider tell its newest movement (or that of a source) otherwise."""
        movements = self.balance.movements
        at = max(n for n, one in enumerate(movements) if source in {None, one.source})
        movements[at] = replace(movements[at], **change)

    def forget(self, *kinds: MovementKind) -> None:
        """Let the provider know nothing of its movements of some kinds."""
        self.balance.movements = [one for one in self.balance.movements if one.kind not in kinds]

    async def lose_lock(self) -> None:
        """End whoever reconciles at the database, which lets go of the lock; other tests' databases are let be."""
        await self.shop.client.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_database ON pg_database.oid = database"
            " WHERE locktype = 'advisory' AND datname = current_database()"
        )

    async def ask(self, role: Role = Role.STAFF) -> httpx2.Response:
        headers = self.shop.tokens.headers(role)
        return await self.shop.client.post("/payments/reconciliation", headers=headers)

    async def latest(self, role: Role = Role.STAFF) -> httpx2.Response:
        headers = self.shop.tokens.headers(role)
        return await self.shop.client.get("/payments/reconciliation/latest", headers=headers)

    async def reconcile(self, **later: float) -> dict[str, Any]:
        """Reconcile, some time later: by then nothing that was done before is late."""
        self.shop.clock.advance(**(later or {"minutes": 6}))
        answer = await self.ask()
        assert answer.status_code == 200, answer.text
        report: dict[str, Any] = answer.json()
        return report

    async def when_due(self) -> dict[str, Any]:
        """Let the timer reconcile, some time later."""
        self.shop.clock.advance(minutes=6)
        await reconciliation.step(self.shop.client.runtime)
        report: dict[str, Any] = (await self.latest()).json()
        return report


def found(report: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    """What differs: class, subject and the provider's reference."""
    return [
        (kind, item["subject"], item["reference"])
        for kind, differs in report["differences"].items()
        for item in differs["items"]
    ]


def repaired(report: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    """What was repaired: class, subject and the provider's reference."""
    return [(item["difference"], item["subject"], item["reference"]) for item in report["repaired"]]


def line(report: dict[str, Any], movement: str, currency: str = "EUR") -> tuple[str | None, str, str]:
    """What orders, ledger and provider say of one kind of movement."""
    (one,) = [one for one in report["sums"] if (one["movement"], one["currency"]) == (movement, currency)]
    return one["orders"], one["ledger"], one["provider"]
