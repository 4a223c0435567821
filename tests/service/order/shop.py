"""An order service with customers, products and stock, used through its doors."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4, uuid5

import httpx2
from pydantic import BaseModel

from services.contracts.answers import Closed, CloseOutcome, PricedProduct, Prices, PricesAsked
from services.contracts.events import PaymentRefunded, PaymentSucceeded
from services.contracts.money import Money
from services.order.stock_double import StockDouble
from services.shared.idempotency import command_id
from services.shared.identity import Role
from services.shared.sidecar_double import SidecarDouble
from tests.conditions import eventually
from tests.service.doors import Client, Clock, Tokens

HOME = {"name": "Ada", "line1": "1 Road", "city": "Berlin", "postal_code": "10115", "country": "DE"}
WORK = HOME | {"line1": "2 Street", "region": "BE"}
PARCEL = {"carrier": "DHL", "tracking_number": "00340"}
PEER = {"dapr-caller-app-id": "inventory"}

WAITERS = "FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


@dataclass
class Catalogue:
    """What product answers."""

    products: dict[UUID, PricedProduct] = field(default_factory=dict)

    def prices(self, body: BaseModel | None) -> Prices:
        asked = PricesAsked.model_validate(body)
        return Prices(products=[self.products[one] for one in asked.product_ids if one in self.products])


@dataclass
class Shop:
    client: Client
    sidecar: SidecarDouble
    stock: StockDouble
    tokens: Tokens
    clock: Clock
    catalogue: Catalogue = field(default_factory=Catalogue)

    def __post_init__(self) -> None:
        self.sidecar.reply("product", "POST", "/internal/prices", self.catalogue.prices)
        self.ada_id = uuid4()
        self.ada, self.bob = self.tokens.headers(Role.CUSTOMER, self.ada_id), self.customer()
        self.staff_id = uuid4()
        self.staff = self.tokens.headers(Role.STAFF, self.staff_id)
        self.lamp = self.sells("Lamp", "12.50", on_hand=100)
        self.rug = self.sells("Rug", "3.00", on_hand=100)

    def customer(self) -> dict[str, str]:
        return self.tokens.headers(Role.CUSTOMER, uuid4())

    def sells(self, name: str, price: str, currency: str = "EUR", *, on_hand: int = 0) -> UUID:
        product_id = uuid4()
        self.prices(product_id, name, price, currency)
        self.stock.on_hand[str(product_id)] = on_hand
        return product_id

    def prices(self, product_id: UUID, name: str, price: str, currency: str = "EUR", *, is_active: bool = True) -> None:
        self.catalogue.products[product_id] = PricedProduct(
            product_id=product_id, sku=f"{name}-1", name=name, price=Money.parse(price, currency), is_active=is_active
        )

    async def place(
        self, *wanted: tuple[UUID, int], key: str | None = None, by: dict[str, str] | None = None, **body: Any
    ) -> httpx2.Response:
        items = [{"product_id": str(product_id), "quantity": units} for product_id, units in wanted]
        whole = ({"items": items} if items else {}) | {"shipping_address": HOME} | body
        headers = (by or self.ada) | {"Idempotency-Key": key or str(uuid4())}
        return await self.client.post("/orders", json=whole, headers=headers)

    def order_id(self, key: str) -> str:
        """What an order of Ada's will be called."""
        return str(command_id(self.ada_id, "place-order", key))

    async def ask(self, order_id: str) -> httpx2.Response:
        return await self.client.post(f"/internal/placements/{order_id}/ask", headers=PEER)

    async def waiting(self, how_many: int = 1) -> bool:
        """Whether so many of the service's connections wait for somebody's lock."""
        return len(await self.client.rows(f"SELECT pid {WAITERS}")) >= how_many

    async def at_once(self, *requests: Coroutine[Any, Any, httpx2.Response]) -> list[httpx2.Response]:
        """The answers to requests that all came as far as writing their order before any of them could."""
        async with self.client.runtime.database.engine.connect() as connection:
            await connection.exec_driver_sql("LOCK TABLE placement IN SHARE MODE")
            running = [asyncio.create_task(request) for request in requests]
            await eventually(lambda: self.waiting(len(running)))
            await connection.rollback()
        return await asyncio.gather(*running)

    async def order(self, *wanted: tuple[UUID, int], by: dict[str, str] | None = None) -> dict[str, Any]:
        answer = await self.place(*(wanted or [(self.lamp, 2)]), by=by)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    async def get(self, order_id: str, by: dict[str, str] | None = None) -> dict[str, Any]:
        return dict((await self.client.get(f"/orders/{order_id}", headers=by or self.staff)).json())

    async def pay(self, order: dict[str, Any]) -> PaymentSucceeded:
        event = succeeded(order)
        assert await self.client.deliver(event) == "SUCCESS"
        return event

    async def cancel(self, order: dict[str, Any], by: dict[str, str] | None = None) -> httpx2.Response:
        return await self.client.delete(f"/orders/{order['id']}", headers=by or self.ada)

    async def ship(self, order: dict[str, Any], **parcel: str) -> httpx2.Response:
        return await self.client.post(f"/orders/{order['id']}/ship", json=PARCEL | parcel, headers=self.staff)

    async def deliver(self, order: dict[str, Any]) -> httpx2.Response:
        return await self.client.post(f"/orders/{order['id']}/deliver", headers=self.staff)

    async def order_in(self, status: str) -> dict[str, Any]:
        order = await self.order()
        if status in {"paid", "shipped", "delivered"}:
            await self.pay(order)
        if status in {"shipped", "delivered"}:
            await self.ship(order)
        if status == "delivered":
            await self.deliver(order)
        if status in {"cancelled", "refunded"}:
            await self.cancel(order)
        if status == "refunded":
            await self.client.deliver(refund_of(order))
        found = await self.get(order["id"])
        assert found["status"] == status
        return found

    def payment_answers(self, order: dict[str, Any], outcome: CloseOutcome, payment_id: UUID | None = None) -> None:
        closed = Closed(order_id=UUID(order["id"]), outcome=outcome, payment_id=payment_id)
        self.sidecar.reply("payment", "POST", f"/internal/payables/{order['id']}/close", lambda _: closed)


def succeeded(order: dict[str, Any]) -> PaymentSucceeded:
    return PaymentSucceeded(**_payment(order), version=2, status="succeeded", refunded_amount=Money.of(0, "EUR"))


def refund_of(order: dict[str, Any], *, refunded: str | None = None, version: int = 3) -> PaymentRefunded:
    total = Money.model_validate(order["total_amount"])
    amount = Money.parse(refunded, "EUR") if refunded else total
    status = "refunded" if amount == total else "partially_refunded"
    refund = {"refund_id": uuid4(), "refund_amount": amount, "refunded_amount": amount, "status": status}
    return PaymentRefunded(**_payment(order), **refund, version=version)


def _payment(order: dict[str, Any]) -> dict[str, Any]:
    total = Money.model_validate(order["total_amount"])
    ids = {"payment_id": payment_id_of(order), "order_id": order["id"], "user_id": order["user_id"]}
    return ids | {"at": datetime.now(UTC), "amount": total, "captured_amount": total}


def payment_id_of(order: dict[str, Any]) -> UUID:
    return uuid5(UUID(order["id"]), "payment")
