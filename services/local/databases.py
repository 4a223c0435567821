"""The stores as the services expect them: servers that answer, a database per service, every migration applied."""

import asyncio
import hashlib
import json
import sys

from services.local import health, processes
from services.local.credentials import write_private
from services.local.plan import Plan
from services.local.refusals import StartFailed
from services.local.supervisor import START_LIMIT, Supervisor, together
from services.local.topology import ROOT


async def start(plan: Plan, supervisor: Supervisor) -> None:
    """Start the three stores and bring every database to its newest version.

    :raises StartFailed: a store did not start, or a migration failed.
    """
    redis_servers = supervisor.started(plan.redis_servers())
    await together(redis_servers, _start_postgres(plan, supervisor))
    await _migrate_all(plan, supervisor)


def fingerprint(service: str) -> str:
    """A digest of everything that decides what a service's tables look like."""
    digest = hashlib.sha256()
    folder = ROOT / "services" / service / "migrations"
    for path in (*sorted(folder.rglob("*.py")), ROOT / "services" / "shared" / "migrate.py"):
        digest.update(str(path.relative_to(ROOT)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


async def _start_postgres(plan: Plan, supervisor: Supervisor) -> None:
    await asyncio.to_thread(plan.cluster.prepare)
    await supervisor.started([plan.cluster.spec()])
    if not await health.becomes_true(lambda: asyncio.to_thread(plan.cluster.is_ready), within=START_LIMIT):
        log = plan.state.log("postgres")
        raise StartFailed(f"PostgreSQL takes no connections. The end of {log}:\n{processes.tail(log)}")
    await asyncio.to_thread(plan.cluster.create_databases, plan.databases, plan.secrets)


async def _migrate_all(plan: Plan, supervisor: Supervisor) -> None:
    """Migrate what has changed since the last time; a database that is up to date costs nothing.

    What was done is noted in the cluster that it was done to, and goes with it.
    """
    stamps = plan.cluster.folder / "migrated.json"
    done: dict[str, str] = json.loads(stamps.read_text()) if stamps.exists() else {}
    wanted = {service: fingerprint(service) for service in plan.databases}
    behind = [service for service, digest in wanted.items() if done.get(service) != digest]
    if behind:
        supervisor.say(f"migrating {', '.join(behind)}")
        await migrate(plan, {service: plan.database_url(service) for service in behind})
        write_private(stamps, json.dumps(wanted, indent=2) + "\n")


async def migrate(plan: Plan, urls: dict[str, str]) -> None:
    """Bring the databases of these services to their newest versions.

    :raises StartFailed: a migration failed.
    """
    log = plan.state.log("migrations")
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.local.migrating"),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            process_group=0,
        )
    try:
        await process.communicate(json.dumps(urls).encode())
    except asyncio.CancelledError:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise StartFailed(f"The migrations failed. The end of {log}:\n{processes.tail(log)}")
