"""The customers of a run: a process of its own, told what to do by a line of JSON on standard input.

`python -m services.local.chaos.load` makes customers and products, measures what the system can do unless it is given a
rate, says `ready`, waits for a line, and then begins journeys at fixed moments until the next line comes. It ends when
its customers have.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import count, cycle
from pathlib import Path
from random import Random
from typing import IO

from services.local.chaos import journeys
from services.local.chaos.asking import Asking
from services.local.chaos.history import History
from services.local.chaos.journeys import Journey
from services.local.chaos.shoppers import Account, Clerk, Lines, Shopper, several
from services.local.customer import client
from services.local.customer.client import Api, Unreachable
from services.local.customer.place import OPERATOR

_CONNECTIONS = 1_000
_MEASURING_CLIENTS = 8
_RESTOCK_EVERY = 0.25

Waits = Callable[[], Awaitable[object]]


@dataclass(frozen=True, kw_only=True)
class Task:
    """What to do. A `rate` of nothing is half of what the system can do, measured for so many seconds."""

    base_url: str
    operator_password: str
    history: str
    seed: int
    rate: float | None = None
    customers: int = 40
    products: int = 60
    stock: int = 12
    measuring: float = 6.0


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """Everybody who takes part, and what there is to buy."""

    shoppers: list[Shopper]
    clerk: Clerk
    products: list[str]
    stock: int
    choose: Random

    @classmethod
    async def gathered(cls, task: Task, anyone: Api, asking: Asking) -> "Crowd":
        """Make accounts and products."""
        clerk = Clerk(account=await Account.existing(anyone, OPERATOR, task.operator_password), asking=asking)
        return cls(
            shoppers=await several(task.customers, lambda: Shopper.registered(anyone, asking)),
            clerk=clerk,
            products=await several(task.products, lambda: clerk.product(on_hand=task.stock)),
            stock=task.stock,
            choose=Random(task.seed),  # noqa: S311 - a mix of journeys, not a secret
        )

    def journey(self, number: int) -> Journey:
        """Somebody's next way through the shop."""
        choose = Random(self.choose.random())  # noqa: S311 - the same
        return Journey(
            name=f"customer-{number}",
            shopper=self.shoppers[number % len(self.shoppers)],
            clerk=self.clerk,
            lines=self._lines(choose),
            choose=choose,
        )

    def _lines(self, choose: Random) -> Lines:
        chosen = choose.sample(self.products, choose.choice((1, 1, 2)))
        return [(product, choose.choice((1, 1, 2))) for product in chosen]

    async def restock(self) -> None:
        """Keep the shelves from staying empty, until cancelled."""
        for product in cycle(self.products):
            await asyncio.sleep(_RESTOCK_EVERY)
            try:
                await self.clerk.stock(product, below=self.stock // 3, units=self.stock)
            except Unreachable:
                continue


async def run(task: Task, stream: IO[str], *, ready: Callable[[float], Awaitable[object]], ended: Waits) -> None:
    """Prepare, call `ready` with the rate, and let customers come until `ended` returns; then wait for the last."""
    async with client.connected(task.base_url, connections=_CONNECTIONS) as anyone:
        crowd = await Crowd.gathered(task, anyone, Asking(history=History(stream)))
        numbers = count(1)
        async with asyncio.TaskGroup() as group:
            restocking = group.create_task(crowd.restock())
            rate = task.rate or await _capacity(crowd, numbers, task.measuring) / 2
            await ready(rate)
            await _open(crowd, numbers, rate, ended)
            restocking.cancel()


async def _capacity(crowd: Crowd, numbers: "count[int]", seconds: float) -> float:
    """Journeys a second when a few customers do nothing but shop."""
    began, done = time.monotonic(), 0

    async def worker() -> None:
        nonlocal done
        while time.monotonic() < began + seconds:
            await journeys.play(crowd.journey(next(numbers)))
            done += 1

    await asyncio.gather(*(worker() for _ in range(_MEASURING_CLIENTS)))
    return done / (time.monotonic() - began)


async def _open(crowd: Crowd, numbers: "count[int]", rate: float, ended: Waits) -> None:
    """Begin at fixed moments, whatever becomes of those before: a slow system cannot slow its load down."""
    ending, began = asyncio.ensure_future(ended()), time.monotonic()
    async with asyncio.TaskGroup() as group:
        for index in count():
            await asyncio.wait([ending], timeout=max(0.0, began + index / rate - time.monotonic()))
            if ending.done():
                break
            group.create_task(journeys.play(crowd.journey(next(numbers))))


def main() -> None:
    """Read the task, prepare, wait for the word, and shop until the next one."""
    task = Task(**json.loads(sys.stdin.readline()))
    with Path(task.history).open("w") as stream:
        asyncio.run(run(task, stream, ready=_ready, ended=_word))


async def _ready(rate: float) -> None:
    sys.stdout.write(json.dumps({"rate": rate}) + "\n")
    sys.stdout.flush()
    await _word()


async def _word() -> None:
    await asyncio.to_thread(sys.stdin.readline)


if __name__ == "__main__":
    main()
