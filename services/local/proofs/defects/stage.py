"""The stage of one round: fresh customers and products, and hands on the processes, the stores and the stand-ins."""

import asyncio
import json
import os
import secrets
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row
from redis.asyncio import Redis

from services.contracts.events import Topic
from services.contracts.money import Money
from services.local.chaos.asking import Asking
from services.local.chaos.history import History, Json
from services.local.chaos.shoppers import Account, Clerk, Shopper
from services.local.customer import client, place
from services.local.customer.client import Api
from services.local.customer.narration import Broken, eventually
from services.local.plan import Plan
from services.local.proofs.defects.edit import Edit
from services.local.system import System

VISA, DECLINED = "pm_card_visa", "pm_card_chargeDeclined"
PATIENCE = 6.0
"""Seconds for which customers ask again, and for which a journey waits for what a defect may keep from happening."""
_POLL = 0.1
_FACTS = ("order", "inventory", "payment", "notification", "product")


@dataclass(frozen=True, kw_only=True)
class Journey:
    """What customers do, and what goes wrong around them meanwhile.

    `clocks` are edits that shorten the deadlines it waits for; `later` moves the audit's clock on.
    """

    act: Callable[["Stage"], Awaitable[None]]
    clocks: tuple[Edit, ...] = ()
    later: timedelta = timedelta(0)

    @property
    def name(self) -> str:
        """What it is called."""
        return self.act.__name__


@dataclass(kw_only=True)
class Stage:
    """One round: whatever it makes is its own, and so are the findings that name it."""

    system: System
    anyone: Api
    clerk: Clerk
    history: History
    own: set[str] = field(default_factory=set)

    @classmethod
    @asynccontextmanager
    async def opened(cls, system: System, history: Path) -> AsyncIterator["Stage"]:
        """Log the staff in; what clients are told goes to the history."""
        there = place.at_offset(system.state, system.offset)
        with history.open("w") as stream:
            kept = History(stream)
            async with client.connected(there.base_url) as anyone:
                account = await Account.existing(anyone, place.OPERATOR, there.operator_password)
                clerk = Clerk(account=account, asking=Asking(history=kept, patience=PATIENCE))
                yield cls(system=system, anyone=anyone, clerk=clerk, history=kept)

    async def shopper(self) -> Shopper:
        """A new customer."""
        asking = Asking(history=self.history, patience=PATIENCE)
        shopper = await Shopper.registered(self.anyone, asking)
        self.own.add(shopper.user_id)
        return shopper

    def hasty(self, shopper: Shopper) -> Shopper:
        """The same customer, who takes the first answer for the last."""
        return replace(shopper, asking=replace(shopper.asking, patience=0.0))

    async def lamp(self, on_hand: int = 9) -> str:
        """A new product of 20 euros with its stock booked."""
        body = {"sku": f"LAMP-{secrets.token_hex(6)}", "name": "A lamp", "on_hand": on_hand}
        body |= {"price": {"amount": "20.00", "currency": "EUR"}}
        staff = self.clerk.account.api
        product: str = (await staff.call("POST", "/products", json=body)).expect(HTTPStatus.CREATED)["id"]
        self.own.add(product)
        await self.sees("product", "SELECT 1 FROM availability WHERE product_id = %s", product)
        return product

    async def order(self, shopper: Shopper, *lines: tuple[str, int], key: str | None = None, copies: int = 1) -> str:
        """Place an order; answers its id, which is empty when it was refused."""
        order = await shopper.place("customer", list(lines), key=key, copies=copies)
        if order is not None:
            self.own.add(order)
        return order or ""

    async def paid_order(self) -> tuple[Shopper, str]:
        """A customer who has ordered two lamps and paid them, and their order once it is paid."""
        shopper = await self.shopper()
        order = await self.order(shopper, (await self.lamp(), 2))
        await self.pay(shopper, order)
        await self.becomes(order, "paid")
        return shopper, order

    async def pay(self, shopper: Shopper, order: str, method: str = VISA) -> Json | None:
        """Pay an order."""
        return await shopper.pay("customer", order, method)

    async def becomes(self, order: str, status: str) -> bool:
        """Whether an order comes to a status in time."""
        return await self.sees("order", "SELECT 1 FROM orders WHERE id = %s AND status = %s", order, status)

    async def refund(self, order: str, euros: int | None) -> None:
        """Give money of an order back, all that is left when no amount is named."""
        for payment in await self.rows("payment", "SELECT id FROM payment WHERE order_id = %s", order):
            amount = None if euros is None else Money.of(euros * 100, "EUR")
            await self.clerk.refund("clerk", str(payment["id"]), amount)

    async def rows(self, service: str, query: str, *values: object) -> list[Json]:
        """What a query finds in a service's database, seen by the superuser."""
        async with await self._connect(service) as connection:
            cursor = await connection.execute(query.encode(), values or None)
            return await cursor.fetchall() if cursor.description else []

    async def sees(self, service: str, query: str, *values: object, within: float = PATIENCE) -> bool:
        """Whether a query comes to find something in time; a defect may keep it from that."""
        try:
            await eventually(lambda: self.rows(service, query, *values), bool, what=query, within=within)
        except Broken:
            return False
        return True

    @asynccontextmanager
    async def locked(self, service: str, statement: str, *values: object) -> AsyncIterator[None]:
        """Keep what a statement locks locked while the block runs."""
        async with await self._connect(service) as connection, connection.transaction():
            await connection.execute(statement.encode(), values or None)
            yield

    async def waiting(self, service: str, count: int = 1) -> bool:
        """Whether so many sessions of a service come to wait for a lock."""
        query = """
            SELECT 1 FROM pg_stat_activity WHERE usename = %s AND wait_event_type = 'Lock' HAVING count(*) >= %s
        """
        return await self.sees(service, query, service, count)

    async def _connect(self, service: str) -> psycopg.AsyncConnection[Json]:
        url = Plan(self.system.state, self.system.ports).cluster.url(service)
        return await psycopg.AsyncConnection.connect(url, autocommit=True, row_factory=dict_row)

    @asynccontextmanager
    async def fault(self, match: str, kind: str, **more: Any) -> AsyncIterator[None]:  # noqa: ANN401 - a fault's fields
        """Let the provider's next call of a kind go wrong."""
        faults = f"{self.system.processes['stripe'].url}/_stand-in/faults"
        async with self.anyone.session.post(faults, json={"match": match, "kind": kind, **more}) as answer:
            answer.raise_for_status()
        try:
            yield
        finally:
            async with self.anyone.session.delete(faults) as answer:
                answer.raise_for_status()

    async def deliveries_end(self, topic: Topic, service: str, *, within: float) -> None:
        """Wait until a service's deliveries of a topic have ended with all their retries, or their time is up.

        The sidecar may still be at it with a copy that it has taken up meanwhile: that one ends with the sidecar.
        """

        async def pending() -> int:
            return int((await broker.xpending(topic, service))["pending"])

        async with self._broker() as broker:
            with suppress(Broken):
                await eventually(pending, lambda left: not left, what=f"{topic} by {service}", within=within)
        os.kill(self.system.processes[f"{service}.sidecar"].pid, signal.SIGKILL)

    def _broker(self) -> Redis:
        return Redis.from_url(Plan(self.system.state, self.system.ports).broker_url)

    @asynccontextmanager
    async def full_broker(self) -> AsyncIterator[None]:
        """Let the broker take nothing new while the block runs."""
        async with self._broker() as broker:
            await broker.config_set("maxmemory", 1)
            try:
                yield
            finally:
                await broker.config_set("maxmemory", 0)

    async def tell_again(self, *, forgetting: bool = False) -> None:
        """Publish every fact of this round once more; `forgetting` empties the inboxes first, as age does."""
        events = await self.events()
        for service in _FACTS:
            if forgetting:
                await self.rows(service, "DELETE FROM inbox WHERE event_id = ANY(%s)", events)
            again = "UPDATE outbox SET published_at = NULL WHERE event_id = ANY(%s)"
            await self.rows(service, again, events)
        for service in _FACTS:
            await self.sees(
                service, "SELECT 1 WHERE NOT EXISTS (SELECT FROM outbox WHERE published_at IS NULL)", within=5
            )

    async def events(self) -> list[str]:
        """The ids of this round's facts, whoever made them."""
        found: list[str] = []
        for service in _FACTS:
            query = "SELECT event_id::text AS id FROM outbox WHERE data::text ~ %s OR aggregate_id::text ~ %s"
            pattern = "|".join(self.own) or "nothing"
            found += [row["id"] for row in await self.rows(service, query, pattern, pattern)]
        return found

    async def everything_of_ours(self) -> set[str]:
        """Every id that a finding about this round may name: what was made, and what was made of it."""
        for service, query in _ORDERS:
            self.own |= {str(row["id"]) for row in await self.rows(service, query, list(self.own))}
        found = {*self.own, *await self.events()}
        for service, query in _DERIVED:
            found |= {str(row["id"]) for row in await self.rows(service, query, list(self.own))}
        return found

    async def calm(self, *, seconds: float = 1.5, within: float = 20.0) -> bool:
        """Wait until no database has been written to for so long; whether that came in time."""
        loop = asyncio.get_running_loop()
        until = loop.time() + within
        seen, since = await self._written(), loop.time()
        while loop.time() - since < seconds:
            if loop.time() > until:
                return False
            await asyncio.sleep(_POLL)
            now = await self._written()
            seen, since = (seen, since) if now == seen else (now, loop.time())
        return True

    async def _written(self) -> str:
        """The next transaction id: every transaction that writes takes one, whatever its database."""
        (row,) = await self.rows("order", "SELECT pg_snapshot_xmax(pg_current_snapshot())::text AS next")
        return str(row["next"])


_ORDERS = (
    ("inventory", "SELECT order_id AS id FROM hold_line WHERE product_id::text = ANY(%s)"),
    ("order", "SELECT id FROM orders WHERE user_id::text = ANY(%s)"),
)
_DERIVED = (
    ("payment", "SELECT id FROM payment WHERE order_id::text = ANY(%s)"),
    ("payment", "SELECT intent_id AS id FROM payment WHERE order_id::text = ANY(%s)"),
    ("payment", "SELECT r.id FROM refund r JOIN payment p ON p.id = r.payment_id WHERE p.order_id::text = ANY(%s)"),
    ("payment", "SELECT id FROM ledger_transaction WHERE order_id::text = ANY(%s)"),
    ("notification", "SELECT id FROM message WHERE user_id::text = ANY(%s)"),
)


def mentions(told: object, ids: set[str]) -> bool:
    """Whether something that was told names one of the ids."""
    text = json.dumps(told, default=str)
    return any(one in text for one in ids)
