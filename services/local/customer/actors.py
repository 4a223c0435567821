"""Who plays in the demo, and what they can do; every deed checks its answer."""

import secrets
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import uuid4

from services.local.customer import accounts, mail, narration
from services.local.customer.client import Api, Reply
from services.local.customer.place import Place

Json = dict[str, Any]

ADDRESS = {
    "name": "Ada Marlow",
    "line1": "12 Harbour Street",
    "city": "Dublin",
    "postal_code": "D02 X285",
    "country": "IE",
}


@dataclass(frozen=True, kw_only=True)
class Customer:
    """Somebody with an account."""

    email: str
    api: Api

    async def order(self, *lines: tuple[str, int]) -> Reply:
        """Ask for an order of (product id, quantity)."""
        items = [{"product_id": product_id, "quantity": quantity} for product_id, quantity in lines]
        return await self._place({"items": items, "shipping_address": ADDRESS})

    async def order_cart(self) -> Reply:
        """Ask for an order of what is in the cart."""
        return await self._place({"from_cart": True, "shipping_address": ADDRESS})

    async def _place(self, body: Json) -> Reply:
        return await self.api.call("POST", "/orders", json=body, key=str(uuid4()))

    async def pay(self, order_id: str, method: str = "pm_card_visa") -> Reply:
        """Try to pay an order with one of the test cards."""
        body = {"order_id": order_id, "payment_method": method}
        return await self.api.call("POST", "/payments", json=body, key=str(uuid4()))

    async def see(self, order_id: str) -> Json:
        """Look at an order."""
        order: Json = await self.api.get(f"/orders/{order_id}")
        return order

    async def cancel(self, order_id: str) -> Json:
        """Give an order up."""
        order: Json = (await self.api.call("DELETE", f"/orders/{order_id}")).expect(HTTPStatus.OK)
        return order

    async def becomes(self, order_id: str, status: str) -> Json:
        """Wait until an order is in a status, and give it."""
        return await narration.eventually(
            lambda: self.see(order_id),
            lambda order: order["status"] == status,
            what=f"order {narration.short(order_id)} becoming {status}",
        )


@dataclass(frozen=True, kw_only=True)
class Cast:
    """Everybody."""

    place: Place
    anyone: Api
    staff: Api

    @classmethod
    async def gathered(cls, api: Api, place: Place) -> "Cast":
        """Log the staff in; customers come later."""
        return cls(place=place, anyone=api, staff=await accounts.as_operator(api, place))

    async def new_customer(self, first_name: str) -> Customer:
        """Register somebody and log them in."""
        email, password = f"{first_name.lower()}-{secrets.token_hex(4)}@example.com", secrets.token_urlsafe(18)
        (await self.anyone.register(email, password, first_name=first_name, last_name="Marlow")).expect(
            HTTPStatus.CREATED
        )
        return Customer(email=email, api=await self.anyone.login(email, password))

    async def stock(self, product_id: str) -> Json:
        """What the stock ledger says about a product."""
        stock: Json = await self.staff.get(f"/products/{product_id}/inventory")
        return stock

    async def stock_changes(self, before: Json, *, on_hand: int = 0, reserved: int = 0) -> str:
        """Wait until the stock differs from before by so much, and say what it is."""
        wanted = (before["on_hand"] + on_hand, before["reserved"] + reserved)
        name = narration.short(before["product_id"])
        now = await narration.eventually(
            lambda: self.stock(before["product_id"]),
            lambda stock: (stock["on_hand"], stock["reserved"]) == wanted,
            what=f"product {name} having {wanted[0]} on hand and {wanted[1]} reserved",
        )
        return f"{name}: {now['on_hand']} on hand, {now['reserved']} reserved"

    async def letters(self, customer: Customer, *words: str) -> list[Json]:
        """Wait until every word is in the subject of a letter to the customer, and give all of them."""
        return await narration.eventually(
            lambda: mail.letters(self.place.mailbox_url, to=customer.email),
            lambda letters: all(any(word in letter["subject"].lower() for letter in letters) for word in words),
            what=f"mail about {' and '.join(words)}",
        )
