"""`./sidecart audit` over a system that is stopped, and over none; polling until all is well."""

import asyncio
import io
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from services.local import processes
from services.local.audit import Finding, Report, showing, until_clean
from services.local.audit.replay import NotAtRest, Replay, Replayed
from services.local.cli import app
from services.local.plan import Plan
from services.local.ports import free_offset
from services.local.state import ELSEWHERE, Phase, Record, State, birth
from services.local.stripe_server.records import Records
from services.local.topology import Ports
from services.shared.migrate import upgrade
from tests.conditions import eventually
from tests.service.local.audit.conftest import Case


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plan]:
    """A system that has run and has sold nothing."""
    state = State(tmp_path_factory.mktemp("state"))
    state.create()
    plan = Plan(state, Ports(offset=free_offset([Ports().postgres])))
    plan.cluster.prepare()
    asyncio.run(_with_postgres(plan, lambda: _migrate(plan)))
    Records(state.data / "stripe").close()
    state.write(Record(supervisor=2**22, started="", offset=plan.ports.offset, phase=Phase.STOPPED))
    yield plan
    plan.cluster.remove()


def _migrate(plan: Plan) -> None:
    plan.cluster.create_databases(plan.databases, plan.secrets)
    for service in plan.databases:
        upgrade(service, plan.secrets[f"{service}-database-url"])


async def _with_postgres(plan: Plan, work) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    process = await processes.spawn(plan.cluster.spec(), plan.state.log("postgres"))
    try:
        await eventually(lambda: asyncio.to_thread(plan.cluster.is_ready))
        await asyncio.to_thread(work)
    finally:
        await processes.stop(process, plan.cluster.spec())


def command(state: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["audit", *arguments], env={ELSEWHERE: str(state)})


def test_where_there_is_no_system_there_is_nothing_to_audit(tmp_path: Path) -> None:
    result = command(tmp_path / "nothing")

    assert result.exit_code == 3


def test_a_stopped_system_is_audited_and_stays_stopped(stopped: Plan) -> None:
    result = command(stopped.state.root, "--rebuild")

    assert result.exit_code == 0, result.output
    assert "clean" in result.output
    assert not stopped.cluster.is_ready()


def test_what_is_wrong_is_told_to_people_and_to_programs(stopped: Plan) -> None:
    def spoil() -> None:
        with psycopg.connect(stopped.cluster.url("inventory")) as connection:
            connection.execute("INSERT INTO stock_level VALUES (gen_random_uuid(), 7, 0, 1)")

    asyncio.run(_with_postgres(stopped, spoil))

    told, programs = command(stopped.state.root), command(stopped.state.root, "--json")

    assert (told.exit_code, programs.exit_code) == (1, 1)
    assert "level-unaccounted" in told.output
    report = json.loads(programs.output)
    assert not report["clean"]
    assert {one["check"] for one in report["findings"]} == {"level-unaccounted", "availability-differs"}
    assert report["invariants"]["I3"]["findings"] == 1


def test_only_a_running_system_replays_and_no_other_is_audited_first(stopped: Plan) -> None:
    result = command(stopped.state.root, "--replay")

    assert result.exit_code == 3
    assert "Nothing runs" in result.output
    assert "clean" not in result.output


def test_a_system_without_its_providers_records_is_not_audited(stopped: Plan) -> None:
    records = stopped.state.data / "stripe" / "stripe.sqlite"
    elsewhere = records.rename(records.with_suffix(".gone"))

    result = command(stopped.state.root)
    elsewhere.rename(records)

    assert result.exit_code == 3
    assert "records are missing" in result.output


def test_a_system_that_is_being_started_is_not_audited(stopped: Plan) -> None:
    with stopped.state.locked():
        result = command(stopped.state.root)

    assert result.exit_code == 3
    assert "already runs" in result.output


@contextmanager
def seeming_to_run(state: State) -> Iterator[None]:
    last = state.read()
    assert last is not None
    state.write(replace(last, supervisor=os.getpid(), started=birth(os.getpid()), phase=Phase.HEALTHY))
    yield
    state.write(last)


def test_a_running_system_whose_databases_are_away_is_neither_clean_nor_wrong(stopped: Plan) -> None:
    with seeming_to_run(stopped.state):
        result = command(stopped.state.root, "--json")

    assert result.exit_code == 3
    assert "connection" in result.stderr
    assert result.stdout == ""


def test_what_was_found_is_told_even_when_the_system_does_not_come_to_rest_for_a_replay(
    stopped: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    results: list[Result] = []

    async def never(_: Replay, *, within: float) -> Replayed:
        raise NotAtRest(within)

    def replay() -> None:
        with psycopg.connect(stopped.cluster.url("inventory")) as connection:
            connection.execute("INSERT INTO stock_level VALUES (gen_random_uuid(), 7, 0, 1)")
        with seeming_to_run(stopped.state):
            results.append(command(stopped.state.root, "--replay"))

    monkeypatch.setattr(Replay, "run", never)
    asyncio.run(_with_postgres(stopped, replay))

    assert results[0].exit_code == 1
    assert "level-unaccounted" in results[0].output


async def test_polling_ends_when_all_is_well(case: Case) -> None:
    report = await until_clean(case.sources, within=30)

    assert report.is_clean


async def test_polling_answers_what_it_found_last(case: Case) -> None:
    case.plant("inventory", "UPDATE stock_level SET on_hand = on_hand + 1 WHERE product_id = %(lamp)s")

    report = await until_clean(case.sources, within=0)

    assert {one.check for one in report.findings} == {"level-unaccounted", "availability-differs"}


async def test_a_database_that_stays_away_is_no_clean_system(case: Case) -> None:
    away = {**case.sources.databases, "order": "postgresql://nobody@127.0.0.1:1/order"}

    with pytest.raises(psycopg.OperationalError):
        await until_clean(replace(case.sources, databases=away), within=0)


async def test_what_is_young_may_still_be_under_way(case: Case) -> None:
    case.plant("order", "UPDATE outbox SET published_at = NULL WHERE aggregate_id = %(paid)s")

    report = await case.audit(quiet=timedelta(hours=1))

    assert report.findings == []
    assert await case.found() == {"fact-unpublished"}


async def test_without_the_provider_the_rest_is_audited(case: Case) -> None:
    case.sources = replace(case.sources, stand_in=None)

    report = await case.audit()

    assert report.is_clean
    assert "charges" not in report.counted["I4"]
    assert {one.check for one in report.unseen if one.source == "provider"} == {
        "charged-twice",
        "movement-unbooked",
        "capture-differs",
        "refund-differs",
        "dispute-differs",
    }


async def test_what_was_not_looked_at_is_told_to_people_and_to_programs(case: Case) -> None:
    out = Console(file=io.StringIO(), width=200)

    report = await case.audit()
    showing.show(report, out)

    assert isinstance(out.file, io.StringIO)
    lines = {line[:3].strip(): line.rstrip() for line in out.file.getvalue().splitlines()}
    assert lines["I1"].endswith("clean, not looked at: no history")
    assert lines["I3"].endswith("clean")
    assert lines["cle"].endswith("not looked at: no history")
    told = json.loads(showing.as_json(report))["invariants"]
    assert told["I5"]["not_looked_at"] == [{"check": "acknowledged-refund-lost", "no": "history"}]
    assert told["I3"]["not_looked_at"] == []


async def test_everything_is_looked_at_when_every_source_is_there(case: Case) -> None:
    history = case.folder / "history.jsonl"
    history.touch()
    case.sources = replace(case.sources, histories=[history])

    report = await case.audit(rebuilds=True)

    assert report.unseen == []


async def test_a_check_that_finds_thousands_tells_a_hundred(case: Case) -> None:
    case.plant(
        "inventory",
        "INSERT INTO stock_level SELECT gen_random_uuid(), 1, 0, 1 FROM generate_series(1, 1000)",
    )

    report = await case.audit()

    assert len([one for one in report.findings if one.check == "level-unaccounted"]) == 100
    assert report.left_off == 1800


def test_a_report_counts_its_findings_by_invariant() -> None:
    finding = Finding(invariant="I3", check="level-oversold", subject="a lamp", told={"on_hand": 1})
    report = Report(findings=[finding], seconds=0.5, left_off=2)

    told = json.loads(showing.as_json(report))

    assert told["invariants"]["I3"] == {
        "promise": "never oversold",
        "clean": False,
        "findings": 1,
        "not_looked_at": [],
        "counted": {},
    }
    assert (told["seconds"], told["left_off"]) == (0.5, 2)
