"""A crowd in a shop: accounts, staff and a history, for the proofs that many customers make at once."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from services.local import audit
from services.local.chaos import history
from services.local.chaos.asking import Asking
from services.local.chaos.history import Attempt, History
from services.local.chaos.shoppers import Account, Clerk, Shopper, several
from services.local.customer import client, place
from services.local.customer.place import OPERATOR
from services.local.system import System

_CONNECTIONS = 2_000


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """Customers, a clerk, and the file with what they asked and were told."""

    system: System
    shoppers: list[Shopper]
    clerk: Clerk
    file: Path

    def attempts(self) -> list[Attempt]:
        """Everything that was asked so far."""
        return history.read(self.file)

    async def audited(self, *, within: float, rebuilds: bool = False) -> audit.Report:
        """What the audit still finds when everything has had so many seconds to settle.

        :param rebuilds: rebuild every aggregate and every document from its facts, too.
        """
        sources = audit.sources_of(self.system, histories=[self.file])
        return await audit.until_clean(sources, within=within, rebuilds=rebuilds)


@asynccontextmanager
async def visiting(system: System, *, accounts: int, patience: float) -> AsyncIterator[Crowd]:
    """A crowd with so many accounts, whose customers ask for so many seconds before they give up."""
    where, file = place.at_offset(system.state, system.offset), system.state.root / "history.jsonl"
    with file.open("a") as stream:
        async with client.connected(where.base_url, connections=_CONNECTIONS) as anyone:
            asking = Asking(history=History(stream), patience=patience)
            clerk = Clerk(account=await Account.existing(anyone, OPERATOR, where.operator_password), asking=asking)
            shoppers = await several(accounts, lambda: Shopper.registered(anyone, asking))
            yield Crowd(system=system, shoppers=shoppers, clerk=clerk, file=file)
