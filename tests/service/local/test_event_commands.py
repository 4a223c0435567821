"""What an operator does about events, on the databases of two services."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
import typer
from psycopg.types.json import Jsonb
from typer.testing import CliRunner

from services.local import console
from services.local.customer.place import NothingRuns
from services.local.events import commands, letters, republishing, stores
from services.local.events.commands import NothingNamed
from services.local.events.letters import LetterUnknown
from services.local.events.stores import UnknownService, Urls
from services.local.state import State

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
POISON = {"type": "order.paid", "topic": "orders", "data": {"version": "?"}}


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """However wide the terminal is in which the tests run, no line of a table is broken."""
    monkeypatch.setattr(console.out, "width", 200)


@pytest.fixture
def urls(database_of: Callable[[str], str]) -> Urls:
    return {service: database_of(service) for service in ("order", "inventory")}


@pytest.fixture
def app(urls: Urls) -> typer.Typer:
    app = typer.Typer()
    commands.register(app, lambda: urls)
    return app


def run(app: typer.Typer, *arguments: str, stdin: str | None = None, code: int = 0) -> str:
    result = CliRunner().invoke(app, arguments, input=stdin, catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output


def rows(url: str, query: str, *values: Any) -> list[Any]:
    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(query, values or None)
        return cursor.fetchall() if cursor.description else []


def park(url: str, id_: UUID | None = None, *, state: str = "parked") -> UUID:
    id_ = id_ or uuid4()
    insert = "INSERT INTO parked_letter (id, topic, letter, parked_at, next_at, attempts, state)"
    rows(url, f"{insert} VALUES (%s, 'orders', %s, %s, %s, 4, %s)", id_, Jsonb(POISON), NOON, NOON, state)
    return id_


def publish(url: str, *, at: datetime = NOON, topic: str = "stock", times: int = 1) -> None:
    for _ in range(times):
        values = (uuid4(), topic, uuid4(), at, at)
        insert = "INSERT INTO outbox (event_id, topic, type, aggregate_id, version, at, data, published_at)"
        rows(url, f"{insert} VALUES (%s, %s, 'a.b', %s, 1, %s, '{{}}', %s)", *values)


def due(url: str) -> list[int]:
    return [row[0] for row in rows(url, "SELECT id FROM outbox WHERE published_at IS NULL ORDER BY id")]


def take_all(url: str) -> None:
    """Do what a relay does when the broker is well."""
    rows(url, "UPDATE outbox SET published_at = now() WHERE published_at IS NULL")


def test_letters_are_listed_with_what_becomes_of_them(app: typer.Typer, urls: Urls) -> None:
    tried, dead = park(urls["order"]), park(urls["inventory"], state="dead")

    said = run(app, "dead-letters", "list")

    (one, other) = (line for line in said.splitlines() if "order.paid" in line)
    assert [one.split()[index] for index in (0, 1, 4)] == [str(tried), "order", "parked"]
    assert [other.split()[index] for index in (0, 1, 4)] == [str(dead), "inventory", "dead"]
    assert other.rstrip().endswith("never")


def test_without_letters_the_list_says_so(app: typer.Typer) -> None:
    assert run(app, "dead-letters", "list") == "No letter is parked.\n"
    assert json.loads(run(app, "dead-letters", "list", "--json")) == []


def test_letters_of_one_service_are_listed_for_programs(app: typer.Typer, urls: Urls) -> None:
    park(urls["order"])
    mine = park(urls["inventory"])

    (one,) = json.loads(run(app, "dead-letters", "list", "--service", "inventory", "--json"))

    assert (one["id"], one["state"], one["attempts"], one["type"]) == (str(mine), "parked", 4, "order.paid")
    assert (one["parked_at"], one["letter"]) == ("2026-11-23T12:00:00+00:00", POISON)


def test_a_letter_is_shown_whole_for_each_service_that_has_it(app: typer.Typer, urls: Urls) -> None:
    letter = park(urls["inventory"], park(urls["order"]))

    said = run(app, "dead-letters", "show", str(letter))

    assert said.count('"version": "?"') == 2


@pytest.mark.parametrize("deed", ["show", "replay", "drop"])
def test_a_letter_that_nobody_has_is_refused(app: typer.Typer, deed: str) -> None:
    with pytest.raises(LetterUnknown, match=r"No letter .* is parked"):
        run(app, "dead-letters", deed, str(uuid4()))


def test_a_dead_letter_that_is_replayed_is_due_at_once_and_lives_for_another_day(app: typer.Typer, urls: Urls) -> None:
    letter, other = park(urls["order"], state="dead"), park(urls["order"], state="dead")

    said = run(app, "dead-letters", "replay", str(letter))

    assert said.startswith("1 letter will be dispatched again")
    revived = rows(
        urls["order"],
        "SELECT id, attempts, now() - parked_at, next_at <= now() FROM parked_letter WHERE state = 'parked'",
    )
    assert [(id_, attempts, is_due) for id_, attempts, _, is_due in revived] == [(letter, 0, True)]
    assert revived[0][2] < timedelta(minutes=1)
    assert rows(urls["order"], "SELECT id FROM parked_letter WHERE state = 'dead'") == [(other,)]


def test_all_letters_are_replayed_when_that_is_said(app: typer.Typer, urls: Urls) -> None:
    park(urls["order"], state="dead")
    park(urls["inventory"])

    said = run(app, "dead-letters", "replay", "--all")

    assert said.startswith("2 letters will be dispatched again")


@pytest.mark.parametrize("arguments", [(), (str(uuid4()), "--all")])
def test_replaying_names_one_letter_or_all(app: typer.Typer, arguments: tuple[str, ...]) -> None:
    with pytest.raises(NothingNamed):
        run(app, "dead-letters", "replay", *arguments)


def test_a_letter_is_dropped_when_that_is_confirmed(app: typer.Typer, urls: Urls) -> None:
    letter = park(urls["order"])

    run(app, "dead-letters", "drop", str(letter), stdin="n\n", code=1)
    assert len(letters.parked(urls)) == 1
    said = run(app, "dead-letters", "drop", str(letter), "--yes")

    assert "order could not handle order.paid (orders), parked." in said
    assert "1 letter dropped." in said
    assert letters.parked(urls) == []


def test_what_was_published_since_then_is_published_again(app: typer.Typer, urls: Urls) -> None:
    publish(urls["inventory"], at=NOON - timedelta(hours=1))
    publish(urls["inventory"], times=2)
    publish(urls["order"], topic="orders")

    said = run(app, "outbox", "republish", "--since", "2026-11-23T12:00:00Z", "--yes")

    assert [line.split() for line in said.splitlines()[:2]] == [["orders", "1"], ["stock", "2"]]
    assert "3 facts are being published again." in said
    assert (due(urls["inventory"]), due(urls["order"])) == ([2, 3], [1])


def test_one_topic_of_one_service_is_published_again_when_that_is_confirmed(app: typer.Typer, urls: Urls) -> None:
    publish(urls["inventory"])
    publish(urls["order"], topic="orders")
    arguments = ("outbox", "republish", "--since", "2026-11-01", "--service", "order", "--topic", "orders")

    run(app, *arguments, stdin="n\n", code=1)
    assert due(urls["order"]) == []
    run(app, *arguments, stdin="y\n")

    assert (due(urls["order"]), due(urls["inventory"])) == ([1], [])


def test_nothing_to_publish_again_is_said(app: typer.Typer, urls: Urls) -> None:
    publish(urls["order"])

    said = run(app, "outbox", "republish", "--since", "2026-11-24", "--yes")

    assert said == "Nothing was published since 2026-11-24T00:00:00+00:00.\n"


def test_a_time_that_is_none_is_refused(app: typer.Typer) -> None:
    said = run(app, "outbox", "republish", "--since", "yesterday", code=2)

    assert "a time such as" in said


def test_many_facts_are_published_again_in_batches(urls: Urls, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(urls["order"], topic="orders", times=5)
    monkeypatch.setattr(republishing, "BATCH_ROWS", 2)

    found = republishing.republish(urls, since=NOON, pause=lambda: take_all(urls["order"]))

    assert found == {"orders": 5}
    assert due(urls["order"]) == [5]


def test_facts_are_published_again_no_faster_than_the_relay_takes_them(
    urls: Urls, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(urls["order"], topic="orders", times=6)
    monkeypatch.setattr(republishing, "BATCH_ROWS", 2)
    waited: list[list[int]] = []

    def relay() -> None:
        waited.append(due(urls["order"]))
        take_all(urls["order"])

    republishing.republish(urls, since=NOON, pause=relay)

    assert waited == [[1, 2], [3, 4], [5, 6]]


def test_a_service_without_a_database_is_refused(urls: Urls) -> None:
    with pytest.raises(UnknownService, match="There are: inventory, order"):
        stores.only(urls, "gateway")


def test_nothing_running_is_refused(tmp_path: Any) -> None:
    with pytest.raises(NothingRuns):
        stores.urls_of(State(tmp_path))
