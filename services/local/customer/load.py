"""The load generator: a process of its own, told what to do by a line of JSON on standard input.

`python -m services.local.customer.load` makes its customers, warms everything up, says `ready`, waits for a line, and
then measures: so its preparations are not counted. It answers with one JSON object on standard output.
"""

import asyncio
import json
import secrets
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field, replace
from http import HTTPStatus
from itertools import cycle
from typing import Any, cast

from services.local.customer import client, figures
from services.local.customer.actors import Customer
from services.local.customer.client import Api

_WATCH_EVERY = 4
_POLL = 0.02
_PATIENCE = 60.0


@dataclass(frozen=True, kw_only=True)
class Task:
    """What to do: `kind` is `order`, `read`, `probe` or `pay`; `rate` is for the open loop, `clients` for the closed.

    A probe is a GET of `address` with `headers`, whatever is answered: what the way there costs without the work.
    """

    kind: str
    base_url: str
    products: list[str] = field(default_factory=list)
    address: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    clients: int = 1
    seconds: float = 10.0
    warming: float = 0.0
    rate: float = 0.0


@dataclass(kw_only=True)
class Measured:
    """What came of it; times are in seconds."""

    seconds: float = 0.0
    times: list[float] = field(default_factory=list)
    paid: list[float] = field(default_factory=list)
    told: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


async def run(task: Task, ready: Callable[[], object]) -> Measured:
    """Prepare, call `ready`, and do it."""
    async with client.connected(task.base_url, connections=64) as api:
        count = task.clients if task.kind in {"order", "pay"} else 0
        customers = [await _customer(api) for _ in range(count)]
        await _work(replace(task, seconds=task.warming), api, customers)
        ready()
        return await _work(task, api, customers)


async def _work(task: Task, api: Api, customers: list[Customer]) -> Measured:
    measured, began = Measured(), time.monotonic()
    if task.kind == "pay":
        await _open(task, customers, measured)
    else:
        doers: list[Customer | None] = [*customers] or [None] * task.clients
        await _closed(task, [_deed(task, api, doer) for doer in doers], measured)
    measured.seconds = time.monotonic() - began
    return measured


async def _customer(api: Api) -> Customer:
    email, password = f"load-{secrets.token_hex(8)}@example.com", secrets.token_urlsafe(18)
    (await api.register(email, password, first_name="Load", last_name="Maker")).expect(HTTPStatus.CREATED)
    return Customer(email=email, api=await api.login(email, password))


Deed = Callable[[], Awaitable[None]]


def _deed(task: Task, api: Api, customer: Customer | None) -> Deed:
    products = cycle(_shuffled(task.products))

    async def order() -> None:
        (await cast("Customer", customer).order((next(products), 1))).expect(HTTPStatus.CREATED)

    async def read() -> None:
        # A cookie keeps the answer out of the gateway's cache.
        (await api.call("GET", f"/products/{next(products)}", headers={"Cookie": "uncached=1"})).expect(HTTPStatus.OK)

    async def probe() -> None:
        async with api.session.get(task.address, headers=task.headers) as answer:
            await answer.read()

    return {"order": order, "read": read, "probe": probe}[task.kind]


def _shuffled(products: list[str]) -> list[str]:
    """Clients that went through the products in the same order would meet at the same ones."""
    return secrets.SystemRandom().sample(products, len(products))


async def _closed(task: Task, deeds: list[Deed], measured: Measured) -> None:
    until = time.monotonic() + task.seconds

    async def worker(deed: Deed) -> None:
        while time.monotonic() < until:
            began = time.perf_counter()
            try:
                await deed()
            except client.Unexpected as refusal:
                measured.failures.append(str(refusal))
            else:
                measured.times.append(time.perf_counter() - began)

    await asyncio.gather(*(worker(deed) for deed in deeds))


async def _open(task: Task, customers: list[Customer], measured: Measured) -> None:
    """Begin at fixed moments, whatever becomes of those before: a slow system cannot slow its load down."""
    began, buyers, products = time.monotonic(), cycle(customers), cycle(_shuffled(task.products))
    async with asyncio.TaskGroup() as group:
        for index, moment in enumerate(figures.schedule(task.rate, task.seconds)):
            await asyncio.sleep(max(0.0, began + moment - time.monotonic()))
            group.create_task(_buy(next(buyers), next(products), measured, watched=index % _WATCH_EVERY == 0))


async def _buy(buyer: Customer, product: str, measured: Measured, *, watched: bool) -> None:
    """Place and pay. Only some are watched afterwards, because watching is load too."""
    began = time.perf_counter()
    try:
        order = (await buyer.order((product, 1))).expect(HTTPStatus.CREATED)
        (await buyer.pay(order["id"])).expect(HTTPStatus.CREATED)
        accepted = time.perf_counter()
        measured.times.append(accepted - began)
        if watched:
            measured.paid.append(await _until(buyer, f"/orders/{order['id']}", _is_paid) - accepted)
            measured.told.append(await _until(buyer, f"/orders/{order['id']}/timeline", _tells_paid) - accepted)
    except (client.Unexpected, client.Unreachable, TimeoutError) as refusal:
        measured.failures.append(str(refusal) or "a paid order was not shown in time")


async def _until(buyer: Customer, path: str, accept: Callable[[Any], bool]) -> float:
    async with asyncio.timeout(_PATIENCE):
        while not accept(await buyer.api.get(path)):  # noqa: ASYNC110 - another process makes it so
            await asyncio.sleep(_POLL)
    return time.perf_counter()


def _is_paid(order: dict[str, Any]) -> bool:
    return bool(order["status"] == "paid")


def _tells_paid(timeline: dict[str, Any]) -> bool:
    return any(entry["source"] == "order" and "paid" in entry["type"] for entry in timeline["items"])


def main() -> None:
    """Read the task, prepare, wait for the word, and write what was measured."""
    task = Task(**json.loads(sys.stdin.readline()))
    measured = asyncio.run(run(task, _wait_for_the_word))
    json.dump(asdict(measured), sys.stdout)


def _wait_for_the_word() -> None:
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()


if __name__ == "__main__":
    main()
