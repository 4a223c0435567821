"""Customers of a shop that lacks something: everything that they were told is kept, and held against the books."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self

from services.local import health
from services.local.audit import sources_of, until_clean
from services.local.chaos.asking import Asking
from services.local.chaos.history import History
from services.local.chaos.shoppers import Account, Clerk, Shopper
from services.local.customer import client
from services.local.customer.client import Api, Reply, Unreachable
from services.local.customer.narration import eventually
from services.local.customer.place import OPERATOR, at_offset
from services.local.plan import Plan
from services.local.system import System
from tests.system.test_boundaries import asked


@dataclass(frozen=True, kw_only=True)
class Overheard(Api):
    """The API, with every answer that anybody got; no answer is kept as one, too."""

    replies: list[Reply] = field(default_factory=list)

    async def call(self, method: str, path: str, **parts: Any) -> Reply:
        try:
            reply = await super().call(method, path, **parts)
        except Unreachable as error:
            self.replies.append(Reply(asked=f"{method} {path}", status=0, headers={}, content=str(error).encode()))
            raise
        self.replies.append(reply)
        return reply


@dataclass(frozen=True, kw_only=True)
class Street:
    """A system, its customers and staff, and where they write down what they asked and were told."""

    system: System
    history: Path
    api: Overheard
    asking: Asking
    clerk: Clerk

    @classmethod
    @asynccontextmanager
    async def before(cls, system: System, history: Path) -> AsyncIterator[Self]:
        place = at_offset(system.state, system.offset)
        async with client.connected(place.base_url, connections=64) as plain:
            api = Overheard(session=plain.session, base_url=plain.base_url)
            with history.open("w") as stream:
                asking = Asking(history=History(stream))
                account = await Account.existing(api, OPERATOR, place.operator_password)
                clerk = Clerk(account=account, asking=asking)
                yield cls(system=system, history=history, api=api, asking=asking, clerk=clerk)

    async def shopper(self) -> Shopper:
        return await Shopper.registered(self.api, self.asking)

    def answers(self, asked: str, status: int) -> int:
        """How often a request was answered with a status."""
        return sum((reply.asked, reply.status) == (asked, status) for reply in self.api.replies)

    def database(self, name: str = "postgres") -> str:
        """The superuser's address of a database."""
        return Plan(self.system.state, self.system.ports).cluster.url(name)

    async def comes_back(self) -> None:
        """Wait until every process answers and the shop says that it is ready."""

        async def back() -> bool:
            alive = [one.process() and await health.answers(one.probe) for one in self.system.processes.values()]
            return all(alive) and (await asked("GET", f"{self.system.base_url}/readyz"))[0] == HTTPStatus.OK

        await eventually(back, bool, what="everything coming back", within=60)

    async def is_in_order(self) -> None:
        """What was told is so, and everything that is kept agrees with it."""
        report = await until_clean(sources_of(self.system, histories=[self.history]), within=60, rebuilds=True)
        assert report.findings == []


def is_put_off(reply: Reply) -> bool:
    """Whether an answer says clearly that one should come back, and when."""
    if reply.status != HTTPStatus.SERVICE_UNAVAILABLE or int(reply.headers["Retry-After"]) < 1:
        return False
    return reply.headers["Content-Type"] == "application/problem+json" and bool(reply.body["detail"])


async def until(condition: Callable[[], object], what: str) -> None:
    """Wait for something that needs no asking."""

    async def told() -> object:
        return condition()

    await eventually(told, bool, what=what, within=30)


async def is_paid(shopper: Shopper, order_id: str) -> None:
    """Wait until an order's customer sees that it is paid."""
    path = f"/orders/{order_id}"
    await eventually(
        lambda: shopper.account.api.get(path),
        lambda order: order["status"] == "paid",
        what="the order being paid",
        within=60,
    )
