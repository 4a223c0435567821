"""What customers do in a run: every journey is a handful of requests, most of them the usual ones."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from urllib.parse import urlsplit

import aiohttp
from pydantic import TypeAdapter

from services.contracts.money import Money
from services.local.chaos.history import Json
from services.local.chaos.shoppers import Clerk, Lines, Shopper

VISA, DECLINED, CHALLENGED = "pm_card_visa", "pm_card_chargeDeclined", "pm_card_authenticationRequired"

_MONEY: TypeAdapter[Money] = TypeAdapter(Money)
_COPIES = 0.15
"""The share of requests that are sent twice at the same time."""


@dataclass(frozen=True, kw_only=True)
class Journey:
    """One customer's way through the shop; `name` is who they are in the history."""

    name: str
    shopper: Shopper
    clerk: Clerk
    lines: Lines
    choose: Random

    async def buy(self) -> None:
        """Order and pay."""
        await self._paid()

    async def browse(self) -> None:
        """Order and never come back."""
        await self._placed()

    async def try_cards(self) -> None:
        """Pay with a card that is declined, then often with one that is good."""
        order = await self._placed()
        if order is not None:
            await self._pay(order, DECLINED)
            if self.choose.random() < 0.6:  # noqa: PLR2004 - a share
                await self._pay(order, VISA)

    async def authenticate(self) -> None:
        """Pay with a card whose bank asks the customer."""
        order = await self._placed()
        payment = await self._pay(order, CHALLENGED) if order else None
        action = (payment or {}).get("next_action")
        if action and action["url"]:
            await self._answer(action["url"])

    async def change_mind(self) -> None:
        """Cancel before paying."""
        order = await self._placed()
        if order is not None:
            await self.shopper.cancel(self.name, order)

    async def give_back(self) -> None:
        """Cancel what is paid."""
        order, _ = await self._paid()
        if order is not None:
            await self.shopper.cancel(self.name, order)

    async def race(self) -> None:
        """Pay and cancel at the same time."""
        order = await self._placed()
        if order is not None:
            cancelling = self.shopper.cancel(f"{self.name}.canceller", order)
            await asyncio.gather(self._pay(order, VISA), cancelling)

    async def complain(self) -> None:
        """Get some of the money back, or all of it, in one refund or two at once."""
        _, payment = await self._paid()
        if payment is not None and payment["status"] == "succeeded":
            half = Money.of(max(1, _MONEY.validate_python(payment["amount"]).minor // 2), payment["amount"]["currency"])
            wanted: list[list[Money | None]] = [[None], [half], [half, half], [None, half]]
            amounts = dict(enumerate(self.choose.choice(wanted)))
            refunds = (self.clerk.refund(f"{self.name}.clerk-{n}", payment["id"], one) for n, one in amounts.items())
            await asyncio.gather(*refunds)

    async def _placed(self) -> str | None:
        return await self.shopper.place(self.name, self.lines, copies=self._copies())

    async def _pay(self, order: str, method: str) -> Json | None:
        return await self.shopper.pay(self.name, order, method, copies=self._copies())

    async def _paid(self) -> tuple[str | None, Json | None]:
        order = await self._placed()
        return order, await self._pay(order, VISA) if order else None

    def _copies(self) -> int:
        return 2 if self.choose.random() < _COPIES else 1

    async def _answer(self, url: str) -> None:
        """Press a button of the bank's page; a bank that is away leaves the payment as it is."""
        outcome = "pass" if self.choose.random() < 0.8 else "fail"  # noqa: PLR2004 - a share
        session = self.shopper.account.anyone.session
        try:
            address = urlsplit(url)._replace(query="").geturl()
            async with session.post(f"{address}/{outcome}", allow_redirects=False) as answer:
                await answer.read()
        except (aiohttp.ClientError, TimeoutError):
            return


_SHARES: dict[Callable[[Journey], Awaitable[None]], int] = {
    Journey.buy: 54,
    Journey.browse: 4,
    Journey.try_cards: 9,
    Journey.authenticate: 6,
    Journey.change_mind: 8,
    Journey.give_back: 7,
    Journey.race: 4,
    Journey.complain: 8,
}


async def play(journey: Journey) -> None:
    """Go one of the ways."""
    (way,) = journey.choose.choices(list(_SHARES), list(_SHARES.values()))
    await way(journey)
