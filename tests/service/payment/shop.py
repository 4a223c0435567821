"""What customers, staff and the clock do to the payment service."""

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid4

import httpx2
import stripe

from services.contracts.answers import PayableOrder
from services.contracts.events import (
    OrderCancelled,
    OrderDelivered,
    OrderEvent,
    OrderPaid,
    OrderPlaced,
    OrderReaddressed,
    OrderRefunded,
    OrderShipped,
)
from services.contracts.money import Money
from services.payment.app import timers
from services.payment.clients.provider_double import Gate
from services.payment.operations.till import Till
from services.shared.identity import Role
from services.shared.sidecar_double import SidecarDouble
from tests.service.doors import Client, Clock, Tokens
from tests.service.payment.banks import WEBHOOK_SECRET, Bank, DoubleBank

STATUS: dict[type[OrderEvent], str] = {
    OrderPlaced: "pending",
    OrderReaddressed: "pending",
    OrderPaid: "paid",
    OrderShipped: "shipped",
    OrderDelivered: "delivered",
    OrderCancelled: "cancelled",
    OrderRefunded: "refunded",
}
PAYER = UUID("00000000-0000-4000-8000-00000000000a")


@dataclass
class Order:
    """An order of 25.00, in euros unless it says otherwise."""

    id: UUID = field(default_factory=uuid4)
    user_id: UUID = PAYER
    minor: int = 2500
    currency: str = "EUR"


@dataclass
class Shop:
    """A shop with one customer."""

    client: Client
    tokens: Tokens
    clock: Clock
    sidecar: SidecarDouble
    bank: Bank
    staff_id: UUID = field(default_factory=uuid4)

    async def order(self, **parts: Any) -> Order:
        """An order that was placed and that the service has heard of."""
        order = Order(**parts)
        assert await self.tell(order, OrderPlaced) == "SUCCESS"
        return order

    async def tell(self, order: Order, kind: type[OrderEvent], version: int = 1) -> str:
        """Tell the service what became of an order."""
        more = {"carrier": "post", "tracking_number": "1"} if kind is OrderShipped else {}
        event = kind(
            version=version,
            at=self.clock.now,
            order_id=order.id,
            user_id=order.user_id,
            status=STATUS[kind],
            lines=(),
            total_amount=Money.of(order.minor, order.currency),
            actor="service:order",
            expires_at=self.clock.now,
            **more,
        )
        return await self.client.deliver(event)

    def knows(self, order: Order, status: str = "pending", version: int = 1) -> None:
        """Let the order service answer for an order."""
        payable = PayableOrder(
            order_id=order.id,
            user_id=order.user_id,
            status=status,
            amount=Money.of(order.minor, "EUR"),
            version=version,
            expires_at=self.clock.now,
        )
        self.sidecar.reply("order", "GET", f"/internal/payables/{order.id}", lambda _: payable)

    async def pay(
        self, order: Order, method: str = "pm_card_visa", *, key: str = "k1", user_id: UUID = PAYER, **body: Any
    ) -> httpx2.Response:
        headers = self.tokens.headers(Role.CUSTOMER, user_id) | {"Idempotency-Key": key}
        whole = {"order_id": str(order.id), "payment_method": method} | body
        return await self.client.post("/payments", json=whole, headers=headers)

    async def paying_until(self, gate: str, order: Order, **how: Any) -> asyncio.Task[httpx2.Response]:
        """A payment that is held up at one of the bank's gates."""
        return await self._until(gate, self.pay(order, **how))

    async def refunding_until(self, gate: str, payment_id: str) -> asyncio.Task[httpx2.Response]:
        """A refund of 10.00 EUR that is held up at one of the bank's gates."""
        return await self._until(gate, self.refund(payment_id, "10.00"))

    async def _until(self, gate: str, asking: Coroutine[Any, Any, httpx2.Response]) -> asyncio.Task[httpx2.Response]:
        assert isinstance(self.bank, DoubleBank)
        held = self.bank.provider.gates[gate] = Gate()
        running = asyncio.create_task(asking)
        await held.reached.wait()
        return running

    async def dying_at(self, gate: str, order: Order) -> None:
        """A payment whose process dies at one of the bank's gates."""
        await self._die(gate, await self.paying_until(gate, order))

    async def dying_refund_at(self, gate: str, payment_id: str) -> None:
        """A refund whose process dies at one of the bank's gates."""
        await self._die(gate, await self.refunding_until(gate, payment_id))

    async def _die(self, gate: str, running: asyncio.Task[httpx2.Response]) -> None:
        assert isinstance(self.bank, DoubleBank)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        del self.bank.provider.gates[gate]

    async def paid(self, method: str = "pm_card_visa", **parts: Any) -> tuple[Order, str]:
        """An order that was paid, and its payment's id."""
        order = await self.order(**parts)
        answer = await self.pay(order, method)
        assert answer.status_code == 201, answer.text
        return order, answer.json()["id"]

    async def read(self, payment_id: str, role: Role = Role.CUSTOMER, user_id: UUID = PAYER) -> dict[str, Any]:
        answer = await self.client.get(f"/payments/{payment_id}", headers=self.tokens.headers(role, user_id))
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def refund(
        self,
        payment_id: str,
        amount: str | None = None,
        *,
        currency: str = "EUR",
        key: str = "r1",
        role: Role = Role.STAFF,
        **body: Any,
    ) -> httpx2.Response:
        headers = self.tokens.headers(role, self.staff_id) | {"Idempotency-Key": key}
        whole = body | ({"amount": {"amount": amount, "currency": currency}} if amount else {})
        return await self.client.post(f"/payments/{payment_id}/refund", json=whole, headers=headers)

    async def close(self, order: Order) -> dict[str, Any]:
        """What the order service is told when it is about to expire an order."""
        body = {"user_id": str(order.user_id), "amount": {"amount": "25.00", "currency": "EUR"}, "version": 1}
        headers = {"dapr-caller-app-id": "order"}
        answer = await self.client.post(f"/internal/payables/{order.id}/close", json=body, headers=headers)
        found: dict[str, Any] = answer.json()
        return found

    async def hear(self, payload: bytes, signature: str | None = None) -> httpx2.Response:
        """The provider tells something."""
        signed = signature or stripe.WebhookSignature.generate_signature_header(
            payload.decode(), WEBHOOK_SECRET, int(time.time())
        )
        return await self.client.post("/webhooks/stripe", content=payload, headers={"Stripe-Signature": signed})

    async def work(self, **later: float) -> None:
        """Let the timers do, some time later, whatever is due then."""
        self.clock.advance(**(later or {"seconds": 2}))
        while any([await timer.step(self.client.runtime) for timer in timers]):
            continue

    def be_impatient(self, *, call_seconds: float = 8, wait_seconds: float = 5) -> None:
        """Wait less than the service does."""
        till = self.client.runtime.part(Till)
        self.client.runtime.add(replace(till, call_seconds=call_seconds, wait_seconds=wait_seconds))

    async def fact_types(self) -> list[str]:
        """The facts that the service told, oldest first."""
        return [fact["type"] for fact in await self.client.facts()]

    async def ledger(self) -> dict[str, int]:
        """The balance of every account that has one."""
        rows = await self.client.rows(
            "SELECT account, sum(amount_minor)::bigint AS s FROM ledger_entry GROUP BY 1 HAVING sum(amount_minor) <> 0"
        )
        return {row["account"]: row["s"] for row in rows}
