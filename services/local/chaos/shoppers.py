"""Customers and staff of a run: they order, pay, cancel and refund, and write down what they were told."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeVar
from uuid import uuid4

from services.contracts.money import Money
from services.local.chaos.asking import Asking, Question
from services.local.chaos.history import Json
from services.local.customer.actors import ADDRESS
from services.local.customer.client import Api, Reply, Unexpected, Unreachable
from services.local.customer.narration import eventually

Lines = list[tuple[str, int]]
Made = TypeVar("Made")

_REST = 1.0
_AT_ONCE = 8
_PRICE = {"amount": "20.00", "currency": "EUR"}


@dataclass(kw_only=True)
class Account:
    """Somebody who is logged in, and can log in again when the token has ended."""

    anyone: Api
    email: str
    password: str
    api: Api

    @classmethod
    async def existing(cls, anyone: Api, email: str, password: str) -> "Account":
        """Log in."""
        return cls(anyone=anyone, email=email, password=password, api=await anyone.login(email, password))

    async def login(self) -> None:
        """Take a new token; a shop that cannot give one is asked again by whoever needs it."""
        try:
            self.api = await self.anyone.login(self.email, self.password)
        except (Unexpected, Unreachable):
            await asyncio.sleep(_REST)


@dataclass(frozen=True, kw_only=True)
class Shopper:
    """A customer with an account."""

    account: Account
    user_id: str
    asking: Asking

    @classmethod
    async def registered(cls, anyone: Api, asking: Asking) -> "Shopper":
        """Make an account and log in."""
        email, password = f"chaos-{secrets.token_hex(8)}@example.com", secrets.token_urlsafe(18)
        reply = await anyone.register(email, password, first_name="Kay", last_name="Oss")
        user_id = reply.expect(HTTPStatus.CREATED)["id"]
        return cls(account=await Account.existing(anyone, email, password), user_id=user_id, asking=asking)

    async def place(self, process: str, lines: Lines, *, key: str | None = None, copies: int = 1) -> str | None:
        """Order; the answer is the order's id. With more copies the same request is sent at the same time."""
        items = [{"product_id": product, "quantity": quantity} for product, quantity in lines]
        key = key or str(uuid4())
        value = {"key": key, "user_id": self.user_id, "items": items}
        body = {"items": items, "shipping_address": ADDRESS}
        reply = await self._settle(process, "place", value, ("POST", "/orders", body, key), copies)
        return str(reply.body["id"]) if reply is not None and reply.status == HTTPStatus.CREATED else None

    async def pay(self, process: str, order_id: str, method: str, *, copies: int = 1) -> Json | None:
        """Pay; the answer is the payment as it was acknowledged, nothing when it was not."""
        body = {"order_id": order_id, "payment_method": method}
        request = ("POST", "/payments", body, str(uuid4()))
        reply = await self._settle(process, "pay", {"order_id": order_id, "method": method}, request, copies)
        return reply.body if reply is not None and reply.status < HTTPStatus.BAD_REQUEST else None

    async def cancel(self, process: str, order_id: str) -> None:
        """Give an order up."""
        await self._settle(process, "cancel", {"order_id": order_id}, ("DELETE", f"/orders/{order_id}", None, None), 1)

    async def _settle(
        self, process: str, function: str, value: Json, request: tuple[str, str, Json | None, str | None], copies: int
    ) -> Reply | None:
        names = [process, *(f"{process}.{number}" for number in range(2, copies + 1))]
        questions = [_question(self.account, name, function, value, request) for name in names]
        settled = (self.asking.settle(question, login=self.account.login) for question in questions)
        replies = [reply for reply in await asyncio.gather(*settled) if reply is not None]
        return min(replies, key=lambda reply: reply.status, default=None)


@dataclass(frozen=True, kw_only=True)
class Clerk:
    """Somebody of the staff."""

    account: Account
    asking: Asking

    async def product(self, *, on_hand: int) -> str:
        """Put something on sale, with its stock booked; the answer is its id."""
        staff = self.account.api
        body = {"sku": f"CHAOS-{secrets.token_hex(6)}", "name": "A lamp", "price": _PRICE, "on_hand": on_hand}
        product: str = (await staff.call("POST", "/products", json=body)).expect(HTTPStatus.CREATED)["id"]
        await eventually(
            lambda: staff.get(f"/products/{product}/inventory"),
            lambda level: level["version"] > 0,
            what="the opening stock being booked",
            within=60,
        )
        return product

    async def refund(self, process: str, payment_id: str, amount: Money | None) -> None:
        """Give money back: an amount, or all that is left."""
        body: Json = {"reason": "a complaint"} | ({"amount": amount.model_dump(mode="json")} if amount else {})
        value = {"payment_id": payment_id, "amount_minor": amount.minor if amount else None}
        request = ("POST", f"/payments/{payment_id}/refund", body, str(uuid4()))
        question = _question(self.account, process, "refund", value, request)
        await self.asking.settle(question, login=self.account.login)

    async def stock(self, product_id: str, *, below: int, units: int) -> bool:
        """Bring units in when there are fewer than so many; whether they came. A version keeps it from happening twice.

        :raises Unreachable: nobody answers.
        """
        path = f"/products/{product_id}/inventory"
        level = await self.account.api.call("GET", path)
        if level.status == HTTPStatus.UNAUTHORIZED:
            await self.account.login()
        if level.status != HTTPStatus.OK or level.body["available"] >= below:
            return False
        body = {"adjust_by": units, "reason": "delivery"}
        headers = {"If-Match": f'"{level.body["version"]}"'}
        return (await self.account.api.call("PUT", path, json=body, headers=headers)).status == HTTPStatus.OK


async def several(number: int, make: Callable[[], Awaitable[Made]]) -> list[Made]:
    """So many of something, a few at a time."""
    made: list[Made] = []
    while len(made) < number:
        made += await asyncio.gather(*(make() for _ in range(min(_AT_ONCE, number - len(made)))))
    return made


def _question(
    account: Account, process: str, function: str, value: Json, request: tuple[str, str, Json | None, str | None]
) -> Question:
    method, path, body, key = request
    return Question(
        process=process,
        function=function,
        value=value,
        ask=lambda: account.api.call(method, path, json=body, key=key),
        read=_READ[function],
    )


_READ = {
    "place": lambda reply: {"order_id": reply.body["id"]},
    "pay": lambda reply: {"payment_id": reply.body["id"], "status": reply.body["status"]},
    "cancel": lambda reply: {"status": reply.body["status"]},
    "refund": lambda reply: {"refund_id": reply.body["id"]},
}
