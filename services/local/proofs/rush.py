"""The customers of an overload: a process of its own, told what to do by a line of JSON on standard input.

`python -m services.local.proofs.rush` makes customers and products, measures how many orders a second are placed at
most, offers twice and five times that, each followed by a light load, and writes a line of JSON for each phase once it
is over. A customer asks once and gives up after some seconds; everything goes into a history.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import IO
from uuid import uuid4

import uvloop

from services.local.chaos.asking import Asking, recorded
from services.local.chaos.history import History, Outcome
from services.local.chaos.shoppers import Account, Clerk, Shopper, several
from services.local.customer import client
from services.local.customer.actors import ADDRESS
from services.local.customer.client import Api, Reply, Unreachable
from services.local.customer.place import OPERATOR
from services.local.proofs.goodput import OVERLOADED, Phase

CLIENTS = (8, 16)
"""How many customers at once place orders as fast as they can: the better figure is the capacity."""

FACTORS = (2, 5)
IDLE, LIGHT = "idle", "light-after"
_LIGHT_SHARE = 0.2
_LIGHT_SECONDS = 15.0
_WARMING = 5.0
_SETTLING = 3.0
_REST = 0.5
_CONNECTIONS = 2_000
_PLENTY = 1_000_000

Report = Callable[[Phase], object]


@dataclass(frozen=True, kw_only=True)
class Task:
    """What to do: each load lasts so many seconds, and a customer waits for `patience` seconds."""

    base_url: str
    operator_password: str
    history: str
    seed: int
    seconds: float
    patience: float
    customers: int = 40
    products: int = 40


@dataclass(frozen=True, kw_only=True)
class Rush:
    """Everybody who takes part, and what there is to buy."""

    shoppers: list[Shopper]
    products: list[str]
    history: History
    patience: float
    choose: Random
    report: Report

    @classmethod
    async def gathered(cls, task: Task, anyone: Api, history: History, report: Report) -> "Rush":
        """Make accounts and products."""
        asking = Asking(history=history)
        clerk = Clerk(account=await Account.existing(anyone, OPERATOR, task.operator_password), asking=asking)
        return cls(
            shoppers=await several(task.customers, lambda: Shopper.registered(anyone, asking)),
            products=await several(task.products, lambda: clerk.product(on_hand=_PLENTY)),
            history=history,
            patience=task.patience,
            choose=Random(task.seed),  # noqa: S311 - who buys what, not a secret
            report=report,
        )

    async def order(self, process: str) -> bool:
        """Somebody orders something, asking once; tells whether it was acknowledged in time."""
        shopper = self.choose.choice(self.shoppers)
        items = [{"product_id": self.choose.choice(self.products), "quantity": 1}]
        body, key = {"items": items, "shipping_address": ADDRESS}, str(uuid4())
        operation = self.history.invoke(process, "place", {"key": key, "user_id": shopper.user_id, "items": items})
        try:
            async with asyncio.timeout(self.patience):
                reply = await shopper.account.api.call("POST", "/orders", json=body, key=key)
        except (Unreachable, TimeoutError) as error:
            operation.ends(Outcome.INFO, error=str(error) or "no answer in time")
            return False
        if _is_sent_away(reply):  # by the gateway, before anything was done: such an order must not exist
            operation.ends(Outcome.FAIL, error=OVERLOADED, status=reply.status)
            return False
        recorded(operation, reply, lambda told: {"order_id": told.body["id"]})
        return reply.status < 300  # noqa: PLR2004 - refusals begin later

    async def closed(self, name: str, clients: int, seconds: float) -> float:
        """Customers who do nothing but order; the answer is the orders acknowledged a second.

        Who is refused rests, so that what is measured is placing and not refusing.
        """
        placed = 0

        async def customer(number: int, until: float) -> None:
            nonlocal placed
            while time.time() < until:
                is_placed = await self.order(f"{name}-{number}")
                placed += is_placed and time.time() <= until
                await asyncio.sleep(0.0 if is_placed else _REST)

        async with self._phase(name, seconds) as began:
            await asyncio.gather(*(customer(number, began + seconds) for number in range(clients)))
        return placed / seconds

    async def open(self, name: str, rate: float, seconds: float, group: asyncio.TaskGroup) -> None:
        """Orders at fixed moments, whatever becomes of those before; the last are left to the group."""
        async with self._phase(name, seconds) as began:
            for index in range(round(rate * seconds)):
                await asyncio.sleep(max(0.0, began + index / rate - time.time()))
                group.create_task(self.order(f"{name}-{index}"))
            await asyncio.sleep(max(0.0, began + seconds - time.time()))

    @asynccontextmanager
    async def _phase(self, name: str, seconds: float) -> AsyncIterator[float]:
        began, spent = time.time(), time.process_time()
        yield began
        self.report(Phase(name=name, began=began, ended=began + seconds, cpu=time.process_time() - spent))


def _is_sent_away(reply: Reply) -> bool:
    return reply.status == 503 and reply.body.get("type") == OVERLOADED  # noqa: PLR2004 - unavailable


async def run(task: Task, stream: IO[str], report: Report) -> None:
    """Prepare, and let them come."""
    async with client.connected(task.base_url, connections=_CONNECTIONS) as anyone:
        rush = await Rush.gathered(task, anyone, History(stream), report)
        await rush.closed("warming", CLIENTS[-1], _WARMING)
        capacity = max([await rush.closed(f"closed-{number}", number, task.seconds) for number in CLIENTS])
        await asyncio.sleep(_SETTLING)
        async with asyncio.TaskGroup() as group:
            await rush.open(IDLE, capacity * _LIGHT_SHARE, _LIGHT_SECONDS, group)
            for factor in FACTORS:
                await rush.open(f"{factor}x", capacity * factor, task.seconds, group)
                await rush.open(f"{LIGHT}-{factor}x", capacity * _LIGHT_SHARE, _LIGHT_SECONDS, group)


def main() -> None:
    """Read the task and do it."""
    task = Task(**json.loads(sys.stdin.readline()))
    with Path(task.history).open("w") as stream:
        uvloop.run(run(task, stream, _tell))


def _tell(phase: Phase) -> None:
    sys.stdout.write(json.dumps(asdict(phase)) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
