"""`./sidecart prove webhooks` and `prove refunds`: the proofs about money that is told of and given back."""

import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from structlog.testing import capture_logs

from services.local import console, health, ports, processes
from services.local.chaos.commands import Results
from services.local.postgres import Cluster
from services.local.proofs import refunds, webhooks
from services.local.proofs.verdict import Run, Verdict
from services.local.refusals import StartFailed
from services.local.supervisor import START_LIMIT
from services.local.system import System
from services.local.topology import LOOPBACK, Ports
from services.shared.migrate import upgrade

_SERVICE = "payment"
_LIMITS_OFF = {"SIDECART_RATE_LIMIT_FACTOR": "1000"}

Tell = Callable[[str], None]
Seed = Annotated[int, typer.Option("--seed", help="The same seed makes the same choices.")]
Choices = Annotated[
    int, typer.Option("--choices", min=1, max=64, help="How many choices of what comes again, with each order.")
]
Payments = Annotated[int, typer.Option("--payments", min=1, help="How many payments.")]
Refunds = Annotated[int, typer.Option("--refunds", min=1, help="How many refunds of each.")]
Share = Annotated[float, typer.Option("--share", min=0.0, max=0.9, help="What share of the answers is lost.")]


@asynccontextmanager
async def own_database() -> AsyncIterator[str]:
    """The address of a payment database on a server of its own, which goes with the block.

    :raises StartFailed: PostgreSQL did not start.
    """
    with tempfile.TemporaryDirectory() as home:
        port = Ports(offset=0).postgres
        cluster = Cluster(Path(home), port + ports.free_offset([port]), secrets.token_hex())
        try:
            await asyncio.to_thread(cluster.prepare)
            async with _running(cluster, Path(home) / "log"):
                password = secrets.token_hex()
                cluster.create_databases([_SERVICE], {f"{_SERVICE}-database-password": password})
                url = f"postgresql://{_SERVICE}:{password}@{LOOPBACK}:{cluster.port}/{_SERVICE}"
                await asyncio.to_thread(upgrade, _SERVICE, url)
                yield url
        finally:
            cluster.remove()


@asynccontextmanager
async def _running(cluster: Cluster, log: Path) -> AsyncIterator[None]:
    spec = cluster.spec()
    process = await processes.spawn(spec, log)
    try:
        if not await health.becomes_true(lambda: asyncio.to_thread(cluster.is_ready), within=START_LIMIT):
            raise StartFailed(f"PostgreSQL takes no connections. The end of {log}:\n{processes.tail(log)}")
        yield
    finally:
        await processes.stop(process, spec)


@dataclass(frozen=True, kw_only=True)
class Money:
    """The commands: where their databases and systems come from, and what is done there."""

    database: Callable[[], AbstractAsyncContextManager[str]] = own_database
    start: Callable[..., AbstractContextManager[System]] = System.start
    permute: Callable[[str, webhooks.Options, Tell], Awaitable[webhooks.Result]] = webhooks.prove
    give_back: Callable[[System, refunds.Options, Tell], Awaitable[refunds.Result]] = refunds.prove

    def prove_webhooks(
        self, context: typer.Context, *, choices: Choices = 8, seed: Seed = 1, results: Results = None
    ) -> None:
        """Deliver the events of a payment's life in every order and more than once: there is one ledger."""
        run = Run(context=context, results=results)
        result = asyncio.run(self._permuted(webhooks.Options(choices=choices, seed=seed)))
        for wrong in result.wrong:
            console.complain(wrong)
        if not run.tell(result.verdict):
            raise typer.Exit(1)

    async def _permuted(self, options: webhooks.Options) -> webhooks.Result:
        async with self.database() as url:
            with capture_logs():
                return await self.permute(url, options, console.Steps())

    def prove_refunds(
        self,
        context: typer.Context,
        *,
        payments: Payments = 40,
        refunds_of_each: Refunds = 25,
        share: Share = 0.2,
        seed: Seed = 1,
        results: Results = None,
    ) -> None:
        """Refund parts of the same payments from all sides: no payment gives back more than it took."""
        run = Run(context=context, results=results)
        options = refunds.Options(payments=payments, refunds=refunds_of_each, share=share, seed=seed)
        with self.start(env=_LIMITS_OFF) as system:
            if not run.tell(asyncio.run(self._given_back(system, options))):
                system.keep()
                console.complain(f"Everything is kept in {system.state.root}.")
                raise typer.Exit(1)

    async def _given_back(self, system: System, options: refunds.Options) -> Verdict:
        return (await self.give_back(system, options, console.Steps())).verdict


def register(prove: typer.Typer, money: Money | None = None) -> None:
    """Add the commands to `prove`."""
    commands = money or Money()
    prove.command("webhooks")(commands.prove_webhooks)
    prove.command("refunds")(commands.prove_refunds)
