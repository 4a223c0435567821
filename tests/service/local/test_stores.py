"""The embedded stores as the commands start, show and stop them."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from redis.asyncio import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from services.local import boot, databases, ports, streams, topology
from services.local.cli import NOTHING_RUNS
from services.local.plan import Plan, unmoved_ports
from services.local.refusals import PortTaken, StartFailed
from services.local.state import ELSEWHERE, State
from services.local.topology import PUBLIC_PORT, Ports
from tests.conditions import eventually, free_port, wait_until


@pytest.fixture(scope="module")
def offset() -> int:
    return ports.free_offset(unmoved_ports(topology.load()))


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory, offset: int) -> Iterator[State]:
    """The stores of a checkout, started by the command; other tests may stop and start them."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(ELSEWHERE, str(tmp_path_factory.mktemp("checkout") / "state"))
        state = State()
        assert started(PUBLIC_PORT + offset).returncode == 0
        yield state
        command("down")
        Plan(state, Ports(offset=offset)).cluster.remove()


@pytest.fixture
def stores(state: State, offset: int) -> Plan:
    """The running stores; started again where a test has stopped them."""
    if state.running() is None:
        assert started(PUBLIC_PORT + offset).returncode == 0
    return Plan(state, Ports(offset=offset))


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    line = (sys.executable, "-m", "services.local", *arguments)
    return subprocess.run(line, cwd=topology.ROOT, capture_output=True, text=True, check=False)


def started(port: int, *flags: str) -> subprocess.CompletedProcess[str]:
    return command("stores", "--detach", "--port", str(port), *flags)


def pids(plan: Plan) -> dict[str, int]:
    record = plan.state.read()
    assert record is not None
    return {process.name: process.pid for process in record.processes}


def test_status_shows_every_store_healthy(stores: Plan) -> None:
    result = command("status", "--json")

    shown = json.loads(result.stdout)
    assert result.returncode == 0
    assert shown["running"] is True
    assert {row["name"]: row["health"] for row in shown["processes"]} == dict.fromkeys(pids(stores), "healthy")
    assert {row["kind"] for row in shown["processes"]} == {"store", "stand-in"}


def test_every_service_has_a_database_that_no_other_may_enter(stores: Plan) -> None:
    secrets = stores.secrets
    with psycopg.connect(secrets["order-database-url"]) as connection:
        (role,) = connection.execute("SELECT current_user").fetchone() or ()
        tables = connection.execute("SELECT count(*) FROM pg_tables WHERE tableowner = 'order'").fetchone()

    assert role == "order"
    assert tables != (0,)
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(f"{secrets['order-database-url'].rpartition('/')[0]}/payment")


def test_stores_refuse_whoever_has_no_password(stores: Plan) -> None:
    for port in (stores.ports.redis, stores.ports.broker):
        with redis.Redis(port=port, retry=Retry(NoBackoff(), 0)) as anonymous, pytest.raises(redis.AuthenticationError):
            anonymous.ping()
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(host="127.0.0.1", port=stores.ports.postgres, user="postgres", dbname="postgres")


def test_the_environment_for_dapr_run_is_written(stores: Plan) -> None:
    written = (stores.state.root / "environment").read_text()

    assert f"export SIDECART_BROKER_HOST=127.0.0.1:{stores.ports.broker}\n" in written
    assert f"export APP_API_TOKEN={stores.secrets['app-api-token']}\n" in written


def test_starting_what_runs_already_changes_nothing(stores: Plan) -> None:
    before = pids(stores)

    result = started(stores.ports.public)

    assert result.returncode == 0
    assert pids(stores) == before


def test_starting_over_what_runs_is_refused(stores: Plan) -> None:
    before = pids(stores)

    result = started(stores.ports.public, "--fresh")

    assert result.returncode == 1
    assert "already runs" in result.stderr
    assert pids(stores) == before


def test_logs_show_what_a_store_has_written(stores: Plan) -> None:
    with stores.state.log("redis").open("a") as log:
        log.write("a line of redis\n")

    assert "a line of redis" in command("logs", "redis").stdout


async def test_streams_are_trimmed_behind_every_group(stores: Plan) -> None:
    async with Redis.from_url(stores.broker_url, decode_responses=True) as broker:
        first, second, third = [await broker.xadd("facts", {"n": str(n)}) for n in range(3)]
        await broker.xadd("unread", {"n": "0"})
        for group in ("fast", "slow"):
            await broker.xgroup_create("facts", group, id="0")
        await broker.xreadgroup("fast", "fast", {"facts": ">"})
        await broker.xack("facts", "fast", first, second, third)
        await broker.xreadgroup("slow", "slow", {"facts": ">"}, count=2)
        await broker.xack("facts", "slow", first)

        too_early = await streams.trim_all(broker, {"facts": frozenset({"fast", "slow", "not there yet"})})
        removed = await streams.trim_all(broker, {"facts": frozenset({"fast", "slow"})})

        assert (too_early, removed) == (0, 1)
        assert [entry for entry, _ in await broker.xrange("facts") or ()] == [second, third]
        assert await broker.xlen("unread") == 1
        await broker.delete("facts", "unread")


def test_a_killed_store_comes_back_with_what_it_had_accepted(stores: Plan) -> None:
    before = pids(stores)["broker"]
    with redis.Redis.from_url(stores.broker_url) as broker:
        broker.xadd("kept", {"n": "1"})

    os.kill(before, signal.SIGKILL)
    wait_until(lambda: pids(stores)["broker"] != before)

    with redis.Redis.from_url(stores.broker_url) as broker:
        wait_until(lambda: _answers(broker))
        assert broker.xlen("kept") == 1


def _answers(broker: redis.Redis) -> bool:
    try:
        return bool(broker.ping())
    except redis.ConnectionError:
        return False


def test_nothing_outlives_a_supervisor_that_is_killed(stores: Plan) -> None:
    record = stores.state.running()
    assert record is not None

    os.kill(record.supervisor, signal.SIGKILL)

    wait_until(lambda: all(process.process() is None for process in record.processes))
    assert command("status").returncode == NOTHING_RUNS


def test_data_survives_a_stop_and_a_start_and_a_fresh_start_forgets_it(stores: Plan) -> None:
    port = stores.ports.public
    with psycopg.connect(stores.cluster.url(), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS n")

    assert "stopped" in command("down").stdout
    assert started(port).returncode == 0
    with psycopg.connect(stores.cluster.url()) as connection:
        assert connection.execute("SELECT n FROM kept").fetchone() == (1,)

    command("down")
    assert started(port, "--fresh").returncode == 0
    fresh = Plan(stores.state, stores.ports)
    assert fresh.secrets["postgres-password"] != stores.secrets["postgres-password"]
    with psycopg.connect(fresh.cluster.url()) as connection:
        assert connection.execute("SELECT to_regclass('kept')").fetchone() == (None,)


def test_a_cluster_that_is_made_anew_is_migrated_again(stores: Plan) -> None:
    command("down")
    stores.cluster.remove()

    assert started(stores.ports.public).returncode == 0

    with psycopg.connect(stores.secrets["order-database-url"]) as connection:
        assert connection.execute("SELECT to_regclass('outbox')::text").fetchone() == ("outbox",)


def test_when_nothing_runs_status_says_so_and_stopping_is_no_mistake(stores: Plan) -> None:
    command("down")

    shown = command("status", "--json")

    assert shown.returncode == NOTHING_RUNS
    assert json.loads(shown.stdout) == {"running": False, "processes": []}
    assert "Nothing was running" in command("down").stdout
    assert stores.state.read() is not None


def test_a_taken_port_is_refused_before_anything_starts(stores: Plan) -> None:
    command("down")

    with socket.create_server(("127.0.0.1", stores.ports.redis)):
        result = started(stores.ports.public)

    assert result.returncode == 1
    assert f"Port {stores.ports.redis} is taken by" in result.stderr


async def test_trimming_goes_on_in_rounds_until_it_is_stopped(stores: Plan) -> None:
    async with Redis.from_url(stores.broker_url, decode_responses=True) as broker:
        await broker.xgroup_create("rounds", "only", id="$", mkstream=True)
        await broker.xadd("rounds", {"n": "1"})
        await broker.xreadgroup("only", "only", {"rounds": ">"}, noack=True)

        trimming = asyncio.create_task(streams.trim_for_ever(stores.broker_url, every=0.01))
        await eventually(lambda: _is_empty(broker, "rounds"))

        trimming.cancel()
        await broker.delete("rounds")


async def test_a_broker_that_is_away_is_asked_again(caplog: pytest.LogCaptureFixture) -> None:
    trimming = asyncio.create_task(streams.trim_for_ever(f"redis://127.0.0.1:{free_port()}", every=0.01))

    await eventually(lambda: asyncio.sleep(0, caplog.text.count("were not trimmed") > 1))

    trimming.cancel()


async def test_a_migration_that_fails_says_so_with_the_end_of_its_log(stores: Plan) -> None:
    with pytest.raises(StartFailed, match=r"migrations failed(.|\n)*no-such-service"):
        await databases.migrate(stores, {"no-such-service": "postgresql://127.0.0.1:1/none"})


async def test_migrations_end_when_the_start_is_given_up(stores: Plan) -> None:
    log = stores.state.log("migrations")
    blocked = psycopg.connect(stores.cluster.url("order"))
    blocked.execute("LOCK TABLE alembic_version")
    migrating = asyncio.create_task(databases.migrate(stores, {"order": stores.secrets["order-database-url"]}))
    before = log.read_text().count("migrating order")
    await eventually(lambda: asyncio.sleep(0, log.read_text().count("migrating order") > before))

    migrating.cancel()

    with pytest.raises(asyncio.CancelledError):
        await migrating
    blocked.close()


def heeds_ctrl_c() -> None:
    """What a child does before it becomes its program: tests that run in the background ignore Ctrl-C, and it too."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_logs_can_be_followed_until_ctrl_c(stores: Plan) -> None:
    line = (sys.executable, "-m", "services.local", "logs", "--follow", "mailbox")
    with subprocess.Popen(
        line,
        cwd=topology.ROOT,
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=heeds_ctrl_c,  # noqa: PLW1509 - one system call
    ) as following:
        assert following.stdout is not None
        with stores.state.log("mailbox").open("a") as log:
            log.write("already there\n")
        while following.stdout.readline() != "already there\n":
            continue
        with stores.state.log("mailbox").open("a") as log:
            log.write("comes later\n")
        assert following.stdout.readline() == "comes later\n"

        following.send_signal(signal.SIGINT)
        try:
            following.wait(20)
        finally:
            following.kill()


async def _is_empty(broker: Redis, stream: str) -> bool:
    return int(await broker.xlen(stream)) == 0


async def test_a_failed_start_leaves_nothing_behind(tmp_path: Path, offset: int) -> None:
    options = boot.Options(state=State(tmp_path), offset=offset + 10_000, stores_only=True)
    told: list[str] = []

    with (
        socket.create_server(("127.0.0.1", Ports(offset=offset + 10_000).postgres)),
        pytest.raises(PortTaken),
    ):
        await boot.run(options, told.append, _never)

    record = options.state.read()
    assert record is not None
    assert record.phase == "failed"
    assert not record.processes


async def _never() -> None:
    pytest.fail("nothing became healthy")
