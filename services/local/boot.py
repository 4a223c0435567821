"""Starting a whole system in dependency order, as much of it at once as the order allows, and ending it."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

from services.local import databases, environment, health, ports, processes, streams
from services.local.plan import Plan
from services.local.processes import Spec
from services.local.refusals import Refusal, StartFailed
from services.local.sidecars import Mesh
from services.local.state import Phase, State
from services.local.supervisor import Supervisor, all_healthy, together
from services.local.topology import LOOPBACK, Ports

READY_LIMIT = 60.0
"""Seconds that the gateway has to reach everything once all processes are healthy."""

Report = Callable[[str], None]
OnHealthy = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What `up` and `stores` were asked for."""

    state: State
    offset: int = 0
    fresh: bool = False
    stores_only: bool = False
    detour: bool = False

    @property
    def ports(self) -> Ports:
        """Where it is to listen."""
        return Ports(offset=self.offset, detour=self.detour)


async def run(options: Options, report: Report, on_healthy: OnHealthy) -> None:
    """Start the system, keep it running until a signal asks to end, and stop everything.

    :raises Refusal: it could not start; nothing is left running.
    """
    with options.state.locked():
        _clean_up(options)
        supervisor = Supervisor(options.state, options.ports, report)
        ending = _ending_signal()
        try:
            await _until(ending, _start(options, supervisor))
            if not ending.is_set():
                supervisor.say("everything is healthy", Phase.HEALTHY)
                await _until(ending, _serve(options, supervisor, on_healthy))
            supervisor.say("stopping", Phase.STOPPING)
        except Refusal as refusal:
            supervisor.fail(str(refusal))
            raise
        finally:
            await supervisor.stop()
        supervisor.say("stopped", Phase.STOPPED)


def _clean_up(options: Options) -> None:
    """End what an earlier supervisor left behind, and forget everything when a fresh start is asked for."""
    end_leftovers(options.state)
    if options.fresh:
        Plan(options.state, options.ports).cluster.remove()
        options.state.clear()


def end_leftovers(state: State) -> None:
    """End what a supervisor that was killed may have left behind."""
    left = state.read()
    for process in left.processes if left else ():
        processes.end_leftover(process)


def _ending_signal() -> asyncio.Event:
    ending = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(each, ending.set)
    return ending


async def _until(ending: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Do the work, or drop it when the end is asked for."""
    both = task, end = asyncio.create_task(work), asyncio.create_task(ending.wait())
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    task.cancel()
    end.cancel()
    await asyncio.wait(both)
    if not task.cancelled():
        task.result()


async def _start(options: Options, supervisor: Supervisor) -> None:
    plan = Plan(options.state, options.ports)
    ports.refuse_taken(plan.all_ports())
    if options.stores_only:
        supervisor.say("starting stores and stand-ins")
        await together(databases.start(plan, supervisor), supervisor.started(plan.stand_ins()))
        environment.write(plan)
        return
    mesh = await plan.mesh(supervisor.say)
    detours = await plan.detours(supervisor.say)
    mesh.prepare()
    await _start_everything(plan, mesh, detours, supervisor)


async def _start_everything(plan: Plan, mesh: Mesh, detours: Iterable[Spec], supervisor: Supervisor) -> None:
    supervisor.say("starting stores, sentry and stand-ins")
    stand_ins = supervisor.start(plan.stand_ins())
    await together(databases.start(plan, supervisor), supervisor.started([mesh.sentry(), *detours]))
    supervisor.say("starting services and sidecars")
    sidecars = supervisor.start(plan.sidecars(mesh))
    services = supervisor.start(plan.services(mesh))
    await all_healthy((*stand_ins, *sidecars, *services))
    await _ready(f"http://{LOOPBACK}:{plan.ports.public}/readyz")


async def _ready(probe: str) -> None:
    """Wait until the gateway reaches everything that it needs."""
    if not await health.becomes_true(lambda: health.answers(probe), within=READY_LIMIT):
        raise StartFailed(f"the gateway did not become ready within {READY_LIMIT:.0f} s ({probe})")


async def _serve(options: Options, supervisor: Supervisor, on_healthy: OnHealthy) -> None:
    plan = Plan(options.state, options.ports)
    await together(supervisor.tend_logs(), streams.trim_for_ever(plan.broker_url), on_healthy())
