"""A reconciliation as staff see it."""

from dataclasses import dataclass
from typing import Any

import httpx2

from services.shared.identity import Role
from tests.service.payment.shop import Shop


@dataclass
class Books:
    """What staff ask of the reconciliation, and what they read in its report."""

    shop: Shop

    async def ask(self, role: Role = Role.STAFF) -> httpx2.Response:
        headers = self.shop.tokens.headers(role)
        return await self.shop.client.post("/payments/reconciliation", headers=headers)

    async def latest(self, role: Role = Role.STAFF) -> httpx2.Response:
        headers = self.shop.tokens.headers(role)
        return await self.shop.client.get("/payments/reconciliation/latest", headers=headers)

    async def reconcile(self, **later: float) -> dict[str, Any]:
        """Reconcile, some time later."""
        self.shop.clock.advance(**(later or {"minutes": 6}))
        answer = await self.ask()
        assert answer.status_code == 200, answer.text
        report: dict[str, Any] = answer.json()
        return report


def found(report: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    """What differs: class, subject and the provider's reference."""
    return [
        (kind, item["subject"], item["reference"])
        for kind, differs in report["differences"].items()
        for item in differs["items"]
    ]


def balance(report: dict[str, Any], currency: str = "EUR") -> tuple[str, str]:
    """What ledger and provider say that the shop has at the provider."""
    (line,) = [one for one in report["sums"] if (one["movement"], one["currency"]) == ("balance", currency)]
    return line["ledger"], line["provider"]
