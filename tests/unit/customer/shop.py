"""A shop in memory: as much of the public API as a customer's commands use, and nothing that could be slow."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from queue import Queue
from typing import Any
from uuid import uuid4

from aiohttp import web
from aiohttp.test_utils import TestServer

from services.local.customer.place import OPERATOR, Place
from services.local.ports import free_offset

NOON = "2026-05-01T12:00:00Z"
Json = dict[str, Any]


@dataclass
class Shop:
    """Everything that the shop knows; `lies` names the promises that it breaks."""

    lies: set[str] = field(default_factory=set)
    users: dict[str, Json] = field(default_factory=lambda: {OPERATOR: {"id": "op", "password": "secret"}})
    products: dict[str, Json] = field(default_factory=dict)
    stock: dict[str, Json] = field(default_factory=dict)
    carts: dict[str, list[Json]] = field(default_factory=dict)
    orders: dict[str, Json] = field(default_factory=dict)
    payments: dict[str, Json] = field(default_factory=dict)
    mail: list[Json] = field(default_factory=list)
    imports: list[tuple[str, bytes]] = field(default_factory=list)
    import_answers: list[Json] = field(default_factory=list)
    roles: dict[str, str] = field(default_factory=dict)

    def stocked(self, name: str, *, on_hand: int = 10, sku: str | None = None) -> str:
        product_id = str(uuid4())
        price = {"amount": "20.00", "currency": "USD"}
        self.products[product_id] = {"id": product_id, "sku": sku or name, "name": name, "price": price}
        self.stock[product_id] = {"product_id": product_id, "on_hand": on_hand, "reserved": 0}
        return product_id

    def app(self) -> web.Application:
        app = web.Application()
        routes = {
            "POST /users/register": self.register,
            "POST /users/login": self.login,
            "PUT /users/{id}/role": self.set_role,
            "GET /products/search": self.search,
            "POST /products/import": self.import_products,
            "GET /products/imports/{id}": self.get_import,
            "GET /products/{id}": self.get_product,
            "GET /products/{id}/inventory": self.get_stock,
            "PUT /cart/items/{id}": self.put_in_cart,
            "POST /orders": self.place,
            "GET /orders/{id}": self.get_order,
            "GET /orders/{id}/timeline": self.timeline,
            "DELETE /orders/{id}": self.cancel,
            "POST /orders/{id}/ship": self.ship,
            "POST /orders/{id}/deliver": self.deliver,
            "POST /payments": self.pay,
            "GET /payments/{id}": self.get_payment,
        }
        for route, handler in routes.items():
            method, path = route.split(" ")
            app.router.add_route(method, f"/api/v1{path}", handler)
        app.router.add_get("/messages", self.messages)
        app.router.add_get("/healthz", self.healthz)
        app.router.add_get("/v1.0/invoke/product/method/healthz", self.healthz)
        return app

    async def register(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body["email"] in self.users:
            return problem(409, "email-taken")
        self.users[body["email"]] = {"id": str(uuid4()), "password": body["password"]}
        return web.json_response({"id": self.users[body["email"]]["id"]}, status=201)

    async def login(self, request: web.Request) -> web.Response:
        body = await request.json()
        if self.users[body["email"]]["password"] != body["password"]:
            return problem(401, "invalid-credentials")
        return web.json_response({"access_token": body["email"]})

    async def set_role(self, request: web.Request) -> web.Response:
        assert who(request) == OPERATOR
        self.roles[request.match_info["id"]] = (await request.json())["role"]
        return web.json_response({})

    async def search(self, request: web.Request) -> web.Response:
        words, start = request.query.get("q", "").lower(), int(request.query.get("cursor", "0"))
        found = [card for card in self.products.values() if words in card["name"].lower()]
        following = start + 2
        cursor = str(following) if following < len(found) else None
        answer = {"items": found[start:following], "next_cursor": cursor, "total": len(found)}
        return web.json_response(answer)

    async def import_products(self, request: web.Request) -> web.Response:
        self.imports.append((request.headers["Content-Type"], await request.read()))
        return web.json_response({"id": "i-1", "status": "queued"}, status=202)

    async def get_import(self, _request: web.Request) -> web.Response:
        rows = self.imports[-1][1].count(b"\n")
        done = {"status": "done", "created": rows, "updated": 0, "unchanged": 0, "failed": 0, "errors": []}
        told = self.import_answers.pop(0) if self.import_answers else done | {"processed": rows}
        return web.json_response(told)

    async def get_product(self, request: web.Request) -> web.Response:
        return web.json_response(self.products[request.match_info["id"]])

    async def get_stock(self, request: web.Request) -> web.Response:
        return web.json_response(self._level(request.match_info["id"]))

    def _level(self, product_id: str) -> Json:
        level = self.stock[product_id]
        return level | {"available": level["on_hand"] - level["reserved"]}

    async def put_in_cart(self, request: web.Request) -> web.Response:
        lines = self.carts.setdefault(who(request), [])
        quantity = (await request.json())["quantity"]
        lines.append({"product_id": request.match_info["id"], "quantity": quantity})
        return web.json_response({"items": lines, "total_amount": self._total(lines)})

    @staticmethod
    def _total(lines: list[Json]) -> Json:
        return {"amount": str(Decimal("20.00") * sum(line["quantity"] for line in lines)), "currency": "USD"}

    async def place(self, request: web.Request) -> web.Response:
        assert request.headers["Idempotency-Key"]
        body = await request.json()
        lines = self.carts.pop(who(request)) if body.get("from_cart") else body["items"]
        if any(line["quantity"] > self._level(line["product_id"])["available"] for line in lines):
            return problem(409, "out-of-stock" if "refusal" in self.lies else "insufficient-stock")
        self._move(lines, reserved=1)
        order: Json = {"id": str(uuid4()), "owner": who(request), "items": lines, "history": []}
        self.orders[order["id"]] = order | {"total_amount": self._total(lines)}
        self._become(order["id"], "paid" if "pending" in self.lies else "pending", letter="Your order is placed")
        return web.json_response(self.orders[order["id"]], status=201)

    def _move(self, lines: list[Json], *, on_hand: int = 0, reserved: int = 0) -> None:
        for line in lines:
            level = self.stock[line["product_id"]]
            level["on_hand"] += on_hand * line["quantity"]
            level["reserved"] += reserved * line["quantity"]

    def _become(self, order_id: str, status: str, *, letter: str | None = None) -> None:
        order = self.orders[order_id]
        order["status"] = status
        order["history"].append({"status": status, "at": NOON})
        if letter:
            self.mail.append({"to": order["owner"], "subject": letter, "text": "Hello", "at": NOON})

    async def get_order(self, request: web.Request) -> web.Response:
        order = self.orders[request.match_info["id"]]
        if who(request) in {order["owner"], OPERATOR} or "owner" in self.lies:
            return web.json_response(order)
        return problem(404, "not-found")

    async def timeline(self, _request: web.Request) -> web.Response:
        sources = {"order": "order.paid", "payment": "payment.succeeded", "inventory": "stock.committed"}
        items = [{"at": NOON, "source": one, "type": kind, "summary": kind} for one, kind in sources.items()]
        return web.json_response({"items": items})

    async def cancel(self, request: web.Request) -> web.Response:
        order = self.orders[request.match_info["id"]]
        if order["status"] == "paid":
            payment = next(one for one in self.payments.values() if one["order_id"] == order["id"])
            refunded = {"amount": "1.00", "currency": "USD"} if "refund" in self.lies else payment["amount"]
            payment |= {"status": "refunded", "refunded_amount": refunded}
            self._move(order["items"], on_hand=1)
        else:
            self._move(order["items"], reserved=-1)
        self._become(order["id"], "cancelled")
        return web.json_response(order)

    async def ship(self, request: web.Request) -> web.Response:
        self._become(request.match_info["id"], "shipped")
        return web.json_response({})

    async def deliver(self, request: web.Request) -> web.Response:
        self._become(request.match_info["id"], "delivered")
        return web.json_response({})

    async def pay(self, request: web.Request) -> web.Response:
        body = await request.json()
        order = self.orders[body["order_id"]]
        if body["payment_method"] != "pm_card_visa":
            return problem(402, "payment-declined", decline_code="generic_decline")
        self._move(order["items"], on_hand=-1, reserved=-1)
        self._become(order["id"], "paid", letter="Your order is paid")
        payment = {"id": str(uuid4()), "order_id": order["id"], "status": "succeeded", "amount": order["total_amount"]}
        self.payments[payment["id"]] = payment | {"provider_reference": "pi_1"}
        return web.json_response(self.payments[payment["id"]], status=201)

    async def get_payment(self, request: web.Request) -> web.Response:
        return web.json_response(self.payments[request.match_info["id"]])

    async def messages(self, request: web.Request) -> web.Response:
        to = request.query.get("to")
        return web.json_response([letter for letter in self.mail if to in {None, letter["to"]}])

    async def healthz(self, _request: web.Request) -> web.Response:
        return web.json_response({})


def who(request: web.Request) -> str:
    return request.headers["Authorization"].removeprefix("Bearer ")


def problem(status: int, slug: str, **more: str) -> web.Response:
    return web.json_response({"type": slug, "title": "No", "detail": "It is so.", **more}, status=status)


@asynccontextmanager
async def opened(shop: Shop, state: Path) -> AsyncIterator[Place]:
    """The shop on a free port."""
    async with TestServer(shop.app()) as server:
        yield place_at(server.port or 0, state)


@contextmanager
def opened_beside(shop: Shop, state: Path, *, also: int = 0) -> Iterator[Place]:
    """The shop in a thread of its own, on a free port, and on the one that is `also` higher."""
    started: Queue[int] = Queue()
    loop = asyncio.new_event_loop()

    async def serve() -> None:
        first = free_offset([8080, 8080 + also]) + 8080
        async with TestServer(shop.app(), port=first), TestServer(shop.app(), port=first + also if also else None):
            started.put(first)
            await stopped.wait()

    stopped = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    yield place_at(started.get(timeout=10), state)
    loop.call_soon_threadsafe(stopped.set)
    thread.join()
    loop.close()


def place_at(port: int, state: Path) -> Place:
    url = f"http://127.0.0.1:{port}"
    return Place(base_url=url, mailbox_url=url, operator_password="secret", state=state)
