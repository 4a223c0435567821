"""Where an audit reads: the services' databases, the provider's records, the clients' histories."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.local import health, ports, processes
from services.local.plan import Plan
from services.local.postgres import Cluster
from services.local.refusals import Refusal, StartFailed
from services.local.state import State
from services.local.supervisor import START_LIMIT
from services.local.system import System


class NoSystem(Refusal):
    """There is no system here, neither running nor stopped. Start one with `./sidecart up`."""


class NoRecords(Refusal):
    """The records of a system's provider are not where they must be."""


@dataclass(frozen=True, kw_only=True)
class Sources:
    """`databases` by service as `postgresql://` addresses, the stand-in's SQLite file, histories as JSON Lines.

    Without the stand-in (`None`) nothing is asked of the provider, and the report says so.
    """

    databases: Mapping[str, str]
    stand_in: Path | None
    histories: Sequence[Path] = ()


def sources_of(system: System, *, histories: Sequence[Path] = ()) -> Sources:
    """What a running system can be audited from.

    :raises NoRecords: the stand-in, which every system has, has left no file.
    """
    plan = Plan(system.state, system.ports)
    return _sources(plan, plan.cluster, histories)


def _sources(plan: Plan, cluster: Cluster, histories: Sequence[Path]) -> Sources:
    stand_in = plan.state.data / "stripe" / "stripe.sqlite"
    if not stand_in.exists():
        raise NoRecords(f"The provider's records are missing: there is no {stand_in}.")
    return Sources(
        databases={service: cluster.url(service) for service in plan.databases},
        stand_in=stand_in,
        histories=tuple(histories),
    )


@contextlib.asynccontextmanager
async def opened(state: State, *, histories: Sequence[Path] = ()) -> AsyncIterator[Sources]:
    """The sources of the system in a state folder; of a stopped one PostgreSQL alone runs while the block does.

    :raises NoSystem: there is none.
    :raises NoRecords: its provider's records are gone.
    :raises AlreadyRunning: it is just being started.
    """
    record = state.running()
    if record is not None:
        yield sources_of(System.of(state, record), histories=histories)
        return
    last = state.read()
    if last is None or not state.secrets.exists():
        raise NoSystem(NoSystem.__doc__)
    plan = Plan(state, last.ports)
    if not (plan.cluster.data / "PG_VERSION").exists():
        raise NoSystem(NoSystem.__doc__)
    with state.locked():
        async with _awakened(plan) as cluster:
            yield _sources(plan, cluster, histories)


@contextlib.asynccontextmanager
async def _awakened(plan: Plan) -> AsyncIterator[Cluster]:
    """The cluster of a stopped system, running on its port moved to where there is room."""
    port = plan.ports.postgres
    cluster = Cluster(plan.state.data, port + ports.free_offset([port]), plan.secrets["postgres-password"])
    spec, log = cluster.spec(), plan.state.log("postgres")
    process = await processes.spawn(spec, log)
    try:
        if not await health.becomes_true(lambda: asyncio.to_thread(cluster.is_ready), within=START_LIMIT):
            raise StartFailed(f"PostgreSQL takes no connections. The end of {log}:\n{processes.tail(log)}")
        yield cluster
    finally:
        await processes.stop(process, spec)
