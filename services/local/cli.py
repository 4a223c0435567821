"""The command line: every command in a few lines, the work elsewhere."""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer

from services.local import boot, checks, console, doctor, journal, reconciliation, seeding
from services.local.audit import commands as auditing
from services.local.chaos import commands as chaos
from services.local.console import Steps
from services.local.customer import commands
from services.local.events import commands as event_commands
from services.local.proofs import commands as proofs
from services.local.refusals import AlreadyRunning, Refusal
from services.local.state import Phase, Record, State
from services.local.system import System
from services.local.topology import PUBLIC_PORT

NOTHING_RUNS = 3
"""The exit code of `status` when nothing runs."""

app = typer.Typer(
    name="sidecart",
    help="Run the whole shop on this machine.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Detach = Annotated[bool, typer.Option("--detach", help="Return when everything is healthy.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Forget all data and start over.")]
NoSeed = Annotated[bool, typer.Option("--no-seed", help="Leave an empty catalogue empty.")]
Port = Annotated[int, typer.Option("--port", min=1100, max=60000, help="The gateway's port; all others move along.")]


@app.command()
def up(*, detach: Detach = False, fresh: Fresh = False, no_seed: NoSeed = False, port: Port = PUBLIC_PORT) -> None:
    """Start everything; in the foreground until Ctrl-C."""
    system, steps = System(State(), port - PUBLIC_PORT), Steps()
    if detach:
        _detach(system, steps, flags=("--fresh",) if fresh else ())
        asyncio.run(_greet(system, steps, seed=not no_seed))
        return
    options = boot.Options(state=system.state, offset=system.offset, fresh=fresh)
    asyncio.run(boot.run(options, steps, lambda: _greet_and_stay(system, steps, seed=not no_seed)))


@app.command()
def stores(*, detach: Detach = False, fresh: Fresh = False, port: Port = PUBLIC_PORT) -> None:
    """Start and migrate the stores alone, for running the services by `dapr run`."""
    system, steps = System(State(), port - PUBLIC_PORT), Steps()
    if detach:
        _detach(system, steps, flags=("--stores-only", *(("--fresh",) if fresh else ())))
        asyncio.run(_explain_stores(system))
        return
    options = boot.Options(state=system.state, offset=system.offset, fresh=fresh, stores_only=True)
    asyncio.run(boot.run(options, steps, lambda: _explain_stores(system)))


@app.command()
def down() -> None:
    """Stop everything."""
    state = State()
    with console.out.status("stopping"):
        stopped = System(state, 0).stop()
        boot.end_leftovers(state)
    console.out.print("Everything is stopped." if stopped else "Nothing was running.")


@app.command()
def status(*, as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Show every process: name, kind, pid, address and health, measured now."""
    record = State().running()
    lines = asyncio.run(console.rows(record)) if record else []
    if as_json:
        typer.echo(json.dumps({"running": record is not None, "processes": lines}, indent=2))
    elif record is None:
        console.out.print("Nothing runs. Start it: ./sidecart up")
    else:
        console.out.print(console.table(lines))
    if record is None:
        raise typer.Exit(NOTHING_RUNS)


@app.command()
def logs(
    names: Annotated[list[str] | None, typer.Argument(help="Processes, all of them when none is named.")] = None,
    *,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as lines come.")] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", min=1, help="How many of the last lines.")] = 40,
) -> None:
    """Show what processes have written."""
    journal.show(State(), names or [], lines=lines, follow=follow)


@app.command(name="doctor")
def doctor_command() -> None:
    """Look for what is missing on this machine, and say how to get it."""
    if not doctor.examine(console.out):
        raise typer.Exit(1)


@app.command(name="test")
def run_tests(
    tier: Annotated[checks.Tier, typer.Argument(help="Which tests; the linters run before any.")] = checks.Tier.ALL,
) -> None:
    """Run the linters and the tests."""
    raise typer.Exit(checks.run(tier, console.out))


@app.command(hidden=True)
def supervise(root: Path, offset: int, *, fresh: bool = False, stores_only: bool = False, detour: bool = False) -> None:
    """Run a system in the background of another command."""
    options = boot.Options(state=State(root), offset=offset, fresh=fresh, stores_only=stores_only, detour=detour)
    asyncio.run(boot.run(options, console.out.print, _nothing_more))


for group in (commands, auditing, event_commands, reconciliation, chaos, proofs):
    group.register(app)


def main() -> None:
    """Run a command; a refusal becomes a message and exit code 1."""
    try:
        app(prog_name="sidecart")
    except Refusal as refusal:
        console.complain(str(refusal))
        raise SystemExit(1) from None


def _detach(system: System, steps: Steps, *, flags: tuple[str, ...]) -> Record:
    record = system.state.running()
    if record is None:
        return _launched(system, steps, flags)
    if "--fresh" in flags or record.offset != system.offset or record.phase is not Phase.HEALTHY:
        raise AlreadyRunning("This checkout already runs. `./sidecart down` stops it.")
    return record


def _launched(system: System, steps: Steps, flags: tuple[str, ...]) -> Record:
    supervisor = system.launch(env={}, bound=False, flags=flags)
    try:
        return system.wait_healthy(supervisor, steps)
    except KeyboardInterrupt:
        supervisor.terminate()
        supervisor.wait()
        raise


async def _greet(system: System, steps: Steps, *, seed: bool) -> None:
    if seed:
        await seeding.seed_if_empty(system.base_url, system.secrets, steps)
    await _show(system)
    console.out.print(console.next_steps(system.ports), soft_wrap=True)


async def _greet_and_stay(system: System, steps: Steps, *, seed: bool) -> None:
    """Greet; a catalogue that could not be seeded is no reason to stop the system."""
    try:
        await _greet(system, steps, seed=seed)
    except Refusal as refusal:
        console.complain(str(refusal))


async def _explain_stores(system: System) -> None:
    await _show(system)
    console.out.print(f"\n  . {system.state.root / 'environment'} && dapr run -f dapr/dapr.yaml\n", soft_wrap=True)


async def _show(system: System) -> None:
    record = system.state.read()
    if record is not None:
        console.out.print(console.table(await console.rows(record)))


async def _nothing_more() -> None:
    """Whoever started this supervisor does the rest."""
