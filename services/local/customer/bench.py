"""Measure a system and set the figures beside their targets."""

import asyncio
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from services.local import console
from services.local.console import Steps
from services.local.customer import (
    accounts,
    catalogue,
    client,
    demo,
    figures,
    generator,
    importing,
    meter,
    place,
    seeding,
    verdicts,
)
from services.local.customer.client import Api
from services.local.customer.figures import Figure
from services.local.customer.load import Task
from services.local.customer.narration import eventually
from services.local.customer.place import Place
from services.local.customer.verdicts import Load
from services.local.refusals import Refusal
from services.local.state import Record, State
from services.local.system import System
from services.local.topology import LOOPBACK, Ports

_GIB = 2**30
_PRODUCTS = 400
_GATEWAY_SIDECAR = 8200
_LIMITS_OFF = {"SIDECART_RATE_LIMIT_FACTOR": "1000"}


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How long is measured, in seconds."""

    settling: float = 5.0
    idle: float = 10.0
    arriving: float = 2.0
    warming: float = 1.0
    probe: float = 3.0
    one: float = 10.0
    many: float = 15.0


class TooManyFailures(Refusal):
    """Figures of a system that refuses what it is asked mean nothing."""


Start = Callable[..., AbstractContextManager[System]]


def measure_fresh(start: Start = System.start, pace: Pace = Pace()) -> list[Figure]:
    """Measure a system of its own, on free ports, with fresh data."""
    steps, began = Steps(console.out), time.monotonic()
    steps("starting a system of its own")
    with start(env=_LIMITS_OFF) as system:
        up = Figure(name="up, everything cached", reached=time.monotonic() - began, unit="s", most=25)
        where = place.at_offset(system.state, system.offset)
        return _shown([up, *_measured(Bench(where, system.state, steps, pace))])


def measure_running(where: Place, pace: Pace = Pace()) -> list[Figure]:
    """Measure the running system; its rate limits are what they are."""
    return _shown(_measured(Bench(where, State(where.state), Steps(console.out), pace)))


def _shown(measured: list[Figure]) -> list[Figure]:
    console.out.print()
    console.out.print(figures.table(measured))
    return measured


def _measured(bench: "Bench") -> list[Figure]:
    file = demo.reference_file(os.environ)
    return [*bench.idle(), *asyncio.run(bench.imports(file if file.exists() else None)), *bench.requests()]


@dataclass
class Bench:
    """One system under measurement."""

    where: Place
    state: State
    steps: Steps
    pace: Pace

    def idle(self) -> list[Figure]:
        """What it costs to do nothing."""
        self.steps(f"letting it idle for {self.pace.idle:.0f} s")
        time.sleep(self.pace.settling)
        with self._cpu() as spent:
            time.sleep(self.pace.idle)
        memory = meter.pss_bytes(meter.processes(self._record())) / _GIB
        return [
            Figure(name="memory idle (PSS)", reached=memory, unit="GiB", most=2.5),
            Figure(name="CPU idle", reached=spent[0] / self.pace.idle * 100, unit="% core", most=15),
        ]

    async def imports(self, file: Path | None) -> list[Figure]:
        """How long products take to get in, and then to be found; without a file, the generated ones."""
        async with client.connected(self.where.base_url) as api:
            staff = await accounts.as_operator(api, self.where)
            self.steps(f"importing {file.name if file else 'the generated catalogue'}")
            began = time.monotonic()
            summary = await self._import(staff, file)
            took, finished = time.monotonic() - began, time.monotonic()
            await self._found(api, file)
        name = f"import of {summary.rows:,} products"
        return [
            Figure(name=name, reached=took, unit="s", most=90),
            Figure(name="then searchable within", reached=time.monotonic() - finished, unit="s", most=2),
        ]

    async def _import(self, staff: Api, file: Path | None) -> importing.Summary:
        if file:
            return await importing.from_file(staff, file, on_hand=demo.ON_HAND, console=console.out)
        return await importing.send(staff, seeding.parts(catalogue.generate()), report=lambda _rows: None)

    async def _found(self, api: Api, file: Path | None) -> None:
        wanted = demo.first_product(file) if file else next(catalogue.generate()).row()
        await eventually(
            lambda: api.get("/products/search", q=str(wanted.get("title", wanted.get("name")))),
            lambda answer: any(card["sku"] == wanted["sku"] for card in answer["items"]),
            what="the imported products being found",
        )

    def requests(self) -> list[Figure]:
        """How fast orders, reads and the events behind a payment are."""
        products = asyncio.run(self._products())
        alone = self._load(self._probe(clients=1))
        one = self._load(self._task("order", products, clients=1, seconds=self.pace.one))
        many = self._load(self._task("order", products, clients=8, seconds=self.pace.many))
        pair = self._load(self._pair(clients=8))
        read = self._load(self._task("read", products, clients=8, seconds=self.pace.one))
        rate = many.rate / 2
        paying = self._load(self._task("pay", products, clients=8, seconds=self.pace.many, rate=rate))
        return [
            *verdicts.placing(one, many, alone=alone),
            *verdicts.reading(read, pair=pair),
            *verdicts.following(paying, rate=rate),
        ]

    def _task(self, kind: str, products: list[str], *, clients: int, seconds: float, rate: float = 0) -> Task:
        base_url = self.where.base_url
        return Task(kind=kind, base_url=base_url, products=products, clients=clients, seconds=seconds, rate=rate)

    def _probe(self, *, clients: int) -> Task:
        address = f"{self.where.base_url}/healthz"
        return Task(
            kind="probe", base_url=self.where.base_url, address=address, clients=clients, seconds=self.pace.probe
        )

    def _pair(self, *, clients: int) -> Task:
        """Through the gateway's sidecar and the product service's, to the cheapest route there is."""
        port = Ports(offset=self._record().offset).at(_GATEWAY_SIDECAR)
        secrets = json.loads(self.state.secrets.read_text())
        return Task(
            kind="probe",
            base_url=self.where.base_url,
            address=f"http://{LOOPBACK}:{port}/v1.0/invoke/product/method/healthz",
            headers={"dapr-api-token": secrets["dapr-api-token-gateway"]},
            clients=clients,
            seconds=self.pace.probe,
        )

    async def _products(self) -> list[str]:
        """Some products that can be bought, once the stock of an import has arrived."""
        found: list[str] = []
        cursor: dict[str, str] = {}
        async with client.connected(self.where.base_url) as api:
            await self._stock_arrives(api)
            while len(found) < _PRODUCTS:
                page = await api.get("/products/search", in_stock="true", limit="100", **cursor)
                found += [card["id"] for card in page["items"]]
                if page["next_cursor"] is None:
                    break
                cursor = {"cursor": page["next_cursor"]}
        return found

    async def _stock_arrives(self, api: Api) -> None:
        """Opening stock comes by events: wait for the first of it, and then until there is no more coming."""

        async def total() -> int:
            await asyncio.sleep(self.pace.arriving)
            found: int = (await api.get("/products/search", in_stock="true", limit="1"))["total"]
            return found

        now = await eventually(total, bool, what="a product being in stock", within=60)
        before = 0
        while now != before:
            before, now = now, await total()

    def _load(self, task: Task) -> Load:
        """Run the load generator; only what happens after its preparations counts.

        :raises TooManyFailures: more than one in a hundred attempts failed
        """
        self.steps(_described(task))
        with generator.started(replace(task, warming=self.pace.warming)) as load:
            load.get_ready()
            with self._cpu() as spent:
                measured = load.measure()
        if len(measured.failures) * 100 > len(measured.times):
            raise TooManyFailures(f"{len(measured.failures)} of the attempts failed, the first: {measured.failures[0]}")
        return Load(measured=measured, cpu=spent[0])

    @contextmanager
    def _cpu(self) -> Iterator[list[float]]:
        """CPU seconds over all processes of the system while the block runs."""
        members = meter.processes(self._record())
        before, spent = meter.cpu_seconds(members), [0.0]
        yield spent
        spent[0] = meter.cpu_seconds(meter.processes(self._record())) - before

    def _record(self) -> Record:
        record = self.state.running()
        if record is None:
            raise place.NothingRuns
        return record


def _described(task: Task) -> str:
    how = f"{task.rate:.1f} a second" if task.rate else f"{task.clients} client{'s' if task.clients > 1 else ''}"
    return f"{task.kind}: {how}, {task.seconds:.0f} s"
