"""A small shop that has sold a little: every service's real code in one process, their events carried by hand."""

import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from psycopg import AsyncConnection
from psycopg.rows import dict_row

from services.contracts.answers import Placement, PlacementOutcome, PricedProduct, Prices
from services.contracts.events import HeldLine
from services.contracts.money import Money
from services.contracts.proto.inventory_pb2 import ReserveReply, ReserveRequest
from services.inventory import subscriptions as inventory
from services.inventory.operations import asking, holds
from services.notification import app as notification
from services.notification import subscriptions as notifications
from services.notification.operations.sending import Sender
from services.order import app as order
from services.order import subscriptions as orders
from services.payment import app as payment
from services.payment import subscriptions as payments
from services.payment.operations.reconciling import Reconciler
from services.payment.settings import API_KEY as API_KEY_NAME
from services.payment.settings import WEBHOOK_SECRET as WEBHOOK_SECRET_NAME
from services.payment.settings import PaymentSettings
from services.product import app as product
from services.product import subscriptions as products
from services.shared.identity import Role
from services.shared.pubsub import Answer
from services.shared.runtime import Runtime
from services.shared.sidecar_double import SidecarDouble
from services.user import app as user
from tests.service.doors import SETTINGS, Client, Clock, Tokens, World
from tests.service.payment.banks import API_KEY, WEBHOOK_SECRET, StandIn
from tests.service.user.conftest import PASSWORD, SECRETS

SERVICES = ("user", "product", "inventory", "order", "payment", "notification")
HOME = {"name": "Ada", "line1": "1 Road", "city": "Berlin", "postal_code": "10115", "country": "DE"}
KEY = "a-key"
"""Of the order that is pending."""
PRICES = {"lamp": "20.00", "rug": "7.00"}
DOORS = {
    "inventory": inventory.door,
    "order": orders.door,
    "payment": payments.door,
    "product": products.door,
    "notification": notifications.door,
}
_UNPUBLISHED = "SELECT * FROM outbox WHERE published_at IS NULL ORDER BY id"
_ROUNDS = 50


@dataclass
class StockWire:
    """Inventory's own operation, without the network in between."""

    runtime: Runtime
    buyer: UUID

    async def reserve(self, request: ReserveRequest, *, token: str) -> ReserveReply:
        del token
        lines = [HeldLine(product_id=UUID(line.product_id), quantity=line.quantity) for line in request.lines]
        asked = holds.Reservation(
            order_id=UUID(request.order_id),
            user_id=self.buyer,
            lines=tuple(sorted(lines, key=lambda line: line.product_id)),
            actor=f"customer:{self.buyer}",
        )
        answer = await holds.reserve(self.runtime.database, asked, at=self.runtime.clock())
        return ReserveReply(outcome=str(answer.outcome))


@dataclass
class Town:
    """The services, one customer and the staff."""

    clients: dict[str, Client]
    inventory: Runtime
    tokens: Tokens
    sidecar: SidecarDouble
    ada: UUID
    ids: dict[str, Any] = field(default_factory=dict)

    def runtime(self, service: str) -> Runtime:
        return self.inventory if service == "inventory" else self.clients[service].runtime

    def headers(self, role: Role = Role.CUSTOMER) -> dict[str, str]:
        return self.tokens.headers(role, self.ada) | {"Idempotency-Key": secrets.token_hex(8)}

    async def carry(self) -> None:
        """Bring every fact to everyone, again and again until all have taken it."""
        for _ in range(_ROUNDS):
            if not [service for service in SERVICES if await self._carry_from(service)]:
                return
        raise TimeoutError

    async def _carry_from(self, service: str) -> bool:
        """Whether there was anything to carry."""
        url = self.runtime(service).database.url
        async with await AsyncConnection.connect(url, autocommit=True, row_factory=dict_row) as connection:
            rows = await (await connection.execute(_UNPUBLISHED)).fetchall()
            for row in rows:
                letter = {"id": str(row["event_id"]), "type": row["type"], "topic": row["topic"], "data": row["data"]}
                answers = [await door.dispatch(self.runtime(name), letter) for name, door in DOORS.items()]
                if set(answers) == {Answer.SUCCESS}:
                    await connection.execute("UPDATE outbox SET published_at = now() WHERE id = %s", [row["id"]])
            return bool(rows)

    async def work(self) -> None:
        """What the timers of payment and notification do, and what follows from it."""
        while any([await timer.step(self.runtime("payment")) for timer in payment.timers]):
            continue
        await self.runtime("payment").part(Reconciler).now()
        while await Sender().step(self.runtime("notification")):
            continue
        await self.carry()

    async def ask(self, service: str, method: str, path: str, status: int, **request: Any) -> dict[str, Any]:
        headers = request.pop("headers", None) or self.headers()
        answer = await self.clients[service].request(method, path, headers=headers, **request)
        assert answer.status_code == status, answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def stock(self, name: str, on_hand: int) -> None:
        body = {"sku": name, "name": name, "price": {"amount": PRICES[name], "currency": "EUR"}, "on_hand": on_hand}
        made = await self.ask("product", "POST", "/products", 201, json=body, headers=self.headers(Role.STAFF))
        self.ids[name] = UUID(made["id"])
        await self.carry()

    async def order(self, key: str | None = None, **quantities: int) -> str:
        items = [{"product_id": str(self.ids[name]), "quantity": units} for name, units in quantities.items()]
        body = {"items": items, "shipping_address": HOME}
        headers = self.headers() | ({"Idempotency-Key": key} if key else {})
        placed = await self.ask("order", "POST", "/orders", 201, json=body, headers=headers)
        await self.carry()
        return str(placed["id"])

    async def pay(self, order_id: str, method: str = "pm_card_visa", status: int = 201) -> str:
        body = {"order_id": order_id, "payment_method": method}
        paid = await self.ask("payment", "POST", "/payments", status, json=body)
        await self.carry()
        return str(paid.get("payment_id") or paid["id"])

    async def cancel(self, order_id: str) -> None:
        await self.ask("order", "DELETE", f"/orders/{order_id}", 200)
        await self.carry()
        await self.work()

    async def ship(self, order_id: str) -> None:
        staff = self.headers(Role.STAFF)
        parcel = {"carrier": "DHL", "tracking_number": "00340"}
        await self.ask("order", "POST", f"/orders/{order_id}/ship", 200, json=parcel, headers=staff)
        await self.ask("order", "POST", f"/orders/{order_id}/deliver", 200, headers=staff)
        await self.carry()

    async def refund(self, payment_id: str, amount: str) -> str:
        body = {"amount": {"amount": amount, "currency": "EUR"}}
        path, staff = f"/payments/{payment_id}/refund", self.headers(Role.STAFF)
        made = await self.ask("payment", "POST", path, 201, json=body, headers=staff)
        await self.carry()
        return str(made["id"])

    async def abandon(self) -> str:
        """A hold whose order never came: inventory asks, and gives it back."""
        order_id, runtime = uuid4(), self.inventory
        line = HeldLine(product_id=self.ids["rug"], quantity=1)
        asked = holds.Reservation(order_id=order_id, user_id=self.ada, lines=(line,), actor=f"customer:{self.ada}")
        await holds.reserve(runtime.database, asked, at=runtime.clock())
        path = f"/internal/placements/{order_id}/ask"
        await self.ask("order", "POST", path, 200, headers={"dapr-caller-app-id": "inventory"})
        answer = Placement(order_id=order_id, outcome=PlacementOutcome.ABANDONED)
        self.sidecar.reply("order", "POST", path, lambda _: answer)
        later = runtime.clock() + asking.AGAIN_AFTER * 5
        while await asking.ask_about_one(runtime.database, self.sidecar, now=later):
            continue
        await self.carry()
        return str(order_id)

    def prices(self, _: object) -> Prices:
        return Prices(
            products=[
                PricedProduct(
                    product_id=self.ids[name], sku=name, name=name, price=Money.parse(price, "EUR"), is_active=True
                )
                for name, price in PRICES.items()
            ]
        )


@asynccontextmanager
async def opened(database_of: Callable[[str], str], bank: StandIn) -> AsyncIterator[Town]:
    """The town, with Ada in it and nothing sold."""
    world = World(database_of, SidecarDouble(), Tokens(), Clock())
    provider = PaymentSettings(**SETTINGS.model_dump(), sidecart_stripe_api=bank.address)
    keys = {API_KEY_NAME: API_KEY, WEBHOOK_SECRET_NAME: WEBHOOK_SECRET}
    async with AsyncExitStack() as stack:
        stock = await stack.enter_async_context(world.start("inventory")())
        clients = {
            "user": await stack.enter_async_context(world.serve("user", user.create, secrets=SECRETS)),
            "product": await stack.enter_async_context(world.serve("product", product.create)),
            "notification": await stack.enter_async_context(world.serve("notification", notification.create)),
            "payment": await stack.enter_async_context(
                world.serve("payment", lambda start, _: payment.create(start, provider), secrets=keys)
            ),
        }
        body = {"email": "ada@example.com", "password": PASSWORD, "first_name": "Ada", "last_name": "Lovelace"}
        ada = UUID((await clients["user"].post("/users/register", json=body)).json()["id"])
        wire = StockWire(stock, ada)
        create = partial(order.create, open_stock=lambda _: _given(wire))
        clients["order"] = await stack.enter_async_context(world.serve("order", create))
        town = Town(clients=clients, inventory=stock, tokens=world.tokens, sidecar=world.sidecar, ada=ada)
        world.sidecar.reply("product", "POST", "/internal/prices", town.prices)
        await town.carry()
        yield town


@asynccontextmanager
async def _given(wire: StockWire) -> AsyncIterator[StockWire]:
    yield wire


async def sell(town: Town) -> None:
    """A little of everything: delivered, refunded, pending, declined, and a hold that nobody placed."""
    ids = town.ids
    await town.stock("lamp", 50)
    await town.stock("rug", 20)
    ids["delivered"] = await town.order(lamp=2, rug=1)
    ids["delivered_payment"] = await town.pay(ids["delivered"])
    await town.ship(ids["delivered"])
    ids["refund"] = await town.refund(ids["delivered_payment"], "5.00")
    ids["refunded"] = await town.order(lamp=1)
    ids["refunded_payment"] = await town.pay(ids["refunded"])
    await town.cancel(ids["refunded"])
    ids["pending"] = await town.order(KEY, lamp=3)
    ids["cancelled"] = await town.order(rug=2)
    ids["cancelled_payment"] = await town.pay(ids["cancelled"], "pm_card_chargeDeclined", 402)
    await town.cancel(ids["cancelled"])
    ids["paid"] = await town.order(rug=1)
    ids["paid_payment"] = await town.pay(ids["paid"])
    ids["abandoned"] = await town.abandon()
    ids["ada"], ids["stranger"] = town.ada, uuid4()
    await town.work()
