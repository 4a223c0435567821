"""The shop in memory, with what only the customers and the staff of a run do, and answers that may be prescribed."""

from collections import deque
from dataclasses import dataclass, field
from uuid import uuid4

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from tests.unit.customer.shop import Json, Shop, problem


@dataclass
class TroubledShop(Shop):
    """`answers` are given to the next requests before the shop does anything; every request is in `asked`."""

    answers: deque[tuple[int, Json | str]] = field(default_factory=deque)
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    refunds: list[Json] = field(default_factory=list)
    stale: bool = False
    senseless: bool = False

    def app(self) -> web.Application:
        app = super().app()
        app.middlewares.append(self._troubled())
        app.router.add_post("/api/v1/products", self.create_product)
        app.router.add_put("/api/v1/products/{id}/inventory", self.set_stock)
        app.router.add_post("/api/v1/payments/{id}/refund", self.refund)
        app.router.add_post("/bank/{outcome}", self.healthz)
        return app

    def _troubled(self) -> Middleware:
        @web.middleware
        async def trouble(request: web.Request, handler: Handler) -> web.StreamResponse:
            self.asked.append((request.method, request.path, request.headers.get("Idempotency-Key")))
            if self.answers and request.method in {"POST", "DELETE"}:
                status, said = self.answers.popleft()
                return web.Response(status=status, text=said) if isinstance(said, str) else problem(status, **said)
            answer: web.StreamResponse = await handler(request)
            return answer

        return trouble

    async def create_product(self, request: web.Request) -> web.Response:
        body = await request.json()
        product = self.stocked(body["name"], on_hand=body["on_hand"], sku=body["sku"])
        return web.json_response({"id": product}, status=201)

    def _level(self, product_id: str) -> Json:
        return {} if self.senseless else super()._level(product_id) | {"version": 1}

    async def set_stock(self, request: web.Request) -> web.Response:
        assert request.headers["If-Match"] == '"1"'
        if self.stale:
            return problem(412, "stale")
        self.stock[request.match_info["id"]]["on_hand"] += (await request.json())["adjust_by"]
        return web.json_response(self._level(request.match_info["id"]))

    async def pay(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body["payment_method"] == "pm_card_authenticationRequired":
            action = {"type": "redirect_to_url", "url": f"http://{request.host}/bank"}
            answer = {"id": str(uuid4()), "status": "requires_action", "next_action": action}
            return web.json_response(answer, status=202)
        return await super().pay(request)

    async def refund(self, request: web.Request) -> web.Response:
        self.refunds.append(await request.json())
        return web.json_response({"id": str(uuid4())}, status=201)
