"""The people of a journey and what they do, as good clients of a shop whose processes may die at any moment."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum, auto
from http import HTTPStatus
from typing import Any, Self, TypeVar
from uuid import uuid4

import aiohttp

from services.local.customer import client, mail
from services.local.customer.actors import ADDRESS
from services.local.customer.client import Reply
from services.local.customer.narration import eventually
from services.local.customer.place import OPERATOR, Place, at_offset
from services.local.proofs.clocks import Clocks
from services.local.proofs.patience import PATIENCE, Patient
from services.local.system import System
from services.local.topology import LOOPBACK
from services.product.domain import product_id_of

Json = dict[str, Any]
Told = TypeVar("Told")
Reach = Callable[[str], Awaitable[None]]
"""Told which part of a journey begins."""

PASSWORD = "correct horse battery staple"  # noqa: S105 - of accounts that live as long as a proof
PRICE = {"amount": "20.00", "currency": "EUR"}
VISA = "pm_card_visa"
DECLINED = "pm_card_chargeDeclined"
AUTHENTICATION = "pm_card_authenticationRequired"


class Outcome(StrEnum):
    """What the provider does about a payment; a declined customer tries another card, a lost answer is asked for."""

    SUCCEEDS = auto()
    DECLINED = auto()
    TIMES_OUT = auto()


@dataclass(frozen=True, kw_only=True)
class Shopper:
    """A customer."""

    email: str
    user_id: str
    client: Patient

    async def order(self, *lines: tuple[str, int], key: str | None = None) -> Json:
        """Order so many of each product."""
        items = [{"product_id": product_id, "quantity": quantity} for product_id, quantity in lines]
        return await self.place({"items": items}, key=key)

    async def place(self, what: Json, *, key: str | None = None) -> Json:
        """Order some items, or what is in the cart."""
        body = what | {"shipping_address": ADDRESS}
        order: Json = (
            await self.client.ask("POST", "/orders", HTTPStatus.CREATED, json=body, key=key or str(uuid4()))
        ).body
        return order

    async def try_to_pay(self, order_id: str, method: str, *good: HTTPStatus) -> Reply:
        """One attempt with one card."""
        body = {"order_id": order_id, "payment_method": method}
        return await self.client.ask("POST", "/payments", *good, json=body, key=str(uuid4()))

    async def see(self, path: str) -> Json:
        """Read something."""
        found: Json = (await self.client.ask("GET", path, HTTPStatus.OK)).body
        return found

    async def becomes(self, order_id: str, *statuses: str) -> Json:
        """Wait until an order is in one of the statuses."""
        return await until(
            lambda: self.see(f"/orders/{order_id}"), lambda order: order["status"] in statuses, f"being {statuses}"
        )

    async def payment_becomes(self, payment_id: str, status: str) -> Json:
        """Wait until a payment is in a status."""
        return await until(
            lambda: self.see(f"/payments/{payment_id}"), lambda told: told["status"] == status, f"being {status}"
        )

    async def cancel(self, order_id: str) -> None:
        """Give an order up."""
        await self.client.ask("DELETE", f"/orders/{order_id}", HTTPStatus.OK)


@dataclass(frozen=True, kw_only=True)
class Shop:
    """A running system with its staff, its clocks and its provider."""

    system: System
    place: Place
    clocks: Clocks
    anyone: Patient
    staff: Patient

    @classmethod
    @asynccontextmanager
    async def visited(cls, system: System) -> AsyncIterator[Self]:
        """The shop of a system, for as long as somebody is there."""
        place = at_offset(system.state, system.offset)
        async with client.connected(place.base_url) as api:
            anyone = Patient(api=api)
            staff = await _logged_in(anyone, OPERATOR, place.operator_password)
            yield cls(system=system, place=place, clocks=Clocks(system), anyone=anyone, staff=staff)

    async def lamp(self, *, on_hand: int = 9) -> str:
        """A new product whose opening stock is booked; the answer is its id."""
        sku = f"LAMP-{secrets.token_hex(6)}"
        body = {"sku": sku, "name": "A lamp", "price": PRICE, "on_hand": on_hand}
        await self.staff.ask("POST", "/products", HTTPStatus.CREATED, HTTPStatus.CONFLICT, json=body)
        product_id = str(product_id_of(sku))
        await self.stock_becomes(product_id, on_hand=on_hand)
        return product_id

    async def customer(self) -> Shopper:
        """Somebody who has just made an account; a second try finds the address taken by the first."""
        email = f"ada-{secrets.token_hex(6)}@example.com"
        body = {"email": email, "password": PASSWORD, "first_name": "Ada", "last_name": "Marlow"}
        await self.anyone.ask("POST", "/users/register", HTTPStatus.CREATED, HTTPStatus.CONFLICT, json=body)
        logged_in = await _logged_in(self.anyone, email, PASSWORD)
        user_id = (await logged_in.ask("GET", "/users/profile", HTTPStatus.OK)).body["id"]
        return Shopper(email=email, user_id=user_id, client=logged_in)

    async def pay(self, who: Shopper, order_id: str, outcome: Outcome, method: str = VISA) -> Json:
        """Pay an order; the answer is its payment once the money is there."""
        await self.prepare(outcome)
        if outcome is Outcome.DECLINED:
            refused = await who.try_to_pay(order_id, DECLINED, HTTPStatus.PAYMENT_REQUIRED, HTTPStatus.ACCEPTED)
            if refused.status == HTTPStatus.ACCEPTED:
                await who.payment_becomes(refused.body["id"], "failed")
        paid = await who.try_to_pay(order_id, method, HTTPStatus.CREATED, HTTPStatus.ACCEPTED)
        return await who.payment_becomes(paid.body["id"], "succeeded")

    async def prepare(self, outcome: Outcome) -> None:
        """Have the provider lose its next answer, where that is what is to happen."""
        if outcome is Outcome.TIMES_OUT:
            await self.provider("POST", "/faults", {"match": "confirm", "kind": "drop_answer", "times": 1})

    async def provider(self, method: str, path: str, body: Json | None = None) -> Json:
        """Tell the provider's stand-in something; the answer is what it says."""
        url = f"http://{LOOPBACK}:{self.system.ports.stripe}/_stand-in{path}"
        async with aiohttp.ClientSession() as session, session.request(method, url, json=body) as answer:
            answer.raise_for_status()
            told = await answer.read()
            return dict(json.loads(told)) if answer.content_type == "application/json" and told else {}

    async def pay_back_by_hand(self, intent_id: str, *, minor: int) -> None:
        """Refund a payment at the provider itself, past the shop."""
        url = f"http://{LOOPBACK}:{self.system.ports.stripe}/v1/refunds"
        headers = {"Authorization": f"Bearer {self.system.secrets['stripe-api-key']}"}
        form = {"payment_intent": intent_id, "amount": str(minor)}
        async with aiohttp.ClientSession() as session, session.post(url, data=form, headers=headers) as answer:
            answer.raise_for_status()

    async def stock_becomes(self, product_id: str, *, on_hand: int, reserved: int = 0) -> None:
        """Wait until the ledger says so."""
        await until(
            lambda: self._stock(product_id),
            lambda stock: (stock["on_hand"], stock["reserved"]) == (on_hand, reserved),
            f"{on_hand} on hand and {reserved} reserved",
        )

    async def _stock(self, product_id: str) -> Json:
        path = f"/products/{product_id}/inventory"
        stock: Json = (await self.staff.ask("GET", path, HTTPStatus.OK)).body
        return stock

    async def letters(self, who: Shopper, *words: str) -> None:
        """Wait until every word is in the subject of a letter to somebody."""

        async def subjects() -> str:
            await asyncio.to_thread(self.clocks.hurry)
            found = await mail.letters(self.place.mailbox_url, to=who.email)
            return " ".join(letter["subject"].lower() for letter in found)

        await until(subjects, lambda found: all(word in found for word in words), f"letters about {words}")

    async def publish(self, app_id: str, topic: str, letter: Mapping[str, object]) -> None:
        """Have an application's sidecar publish a CloudEvent."""
        port = self.system.processes[f"{app_id}.sidecar"].url.rsplit(":", 1)[1].strip("/")
        token = self.system.secrets[f"dapr-api-token-{app_id}"]
        headers = {"dapr-api-token": token, "content-type": "application/cloudevents+json"}
        url = f"http://{LOOPBACK}:{port}/v1.0/publish/events/{topic}"
        async with aiohttp.ClientSession() as session, session.post(url, json=letter, headers=headers) as answer:
            answer.raise_for_status()


async def _logged_in(anyone: Patient, email: str, password: str) -> Patient:
    body = {"email": email, "password": password}
    reply = await anyone.ask("POST", "/users/login", HTTPStatus.OK, json=body)
    headers = {"Authorization": f"Bearer {reply.body['access_token']}"}
    return Patient(api=client.Api(session=anyone.api.session, base_url=anyone.api.base_url, headers=headers))


async def until(ask: Callable[[], Awaitable[Told]], accept: Callable[[Told], object], what: str) -> Told:
    """Ask until the answer is acceptable.

    :raises Broken: it has not become so within a minute.
    """
    return await eventually(ask, accept, what=what, within=PATIENCE)
