"""The shape of the code: small modules that say what they are, one address for everything."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from services.contracts.events import Topic, event_types
from services.shared.pubsub import EventDoor

ROOT = Path(__file__).resolve().parents[2]
LONGEST_MODULE = 300
GENERATED = re.compile(r"_pb2(_grpc)?\.py$")
WITHOUT_CONSUMER = {
    "order.noted": "a line of the order's history; the timeline shows the payment's own event",
    "user.changed": "kept current by notification in the same handler as user.registered",
}
"""Events that nobody handles, and why they are told all the same."""


def modules() -> Iterator[Path]:
    return (path for path in (ROOT / "services").rglob("*.py") if not GENERATED.search(path.name))


MODULES = {str(path.relative_to(ROOT)): path for path in sorted(modules())}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_short_and_says_what_it_is(name: str) -> None:
    text = MODULES[name].read_text()

    assert ast.get_docstring(ast.parse(text)), "no docstring"
    assert len(text.splitlines()) <= LONGEST_MODULE


@pytest.mark.parametrize("name", MODULES)
def test_no_module_is_a_drawer(name: str) -> None:
    assert not re.search(r"(utils|helpers|common|manager|base_\w+)\.py$", name)


@pytest.mark.parametrize("name", [name for name in MODULES if "/local/" not in name])
def test_sql_has_one_address(name: str) -> None:
    plumbing = name.startswith("services/shared/") or "/migrations/" in name
    stores = "/store" in name or "/views" in name

    found = re.findall(r"\b(?:SELECT|INSERT INTO|UPDATE \w+ SET|DELETE FROM)\b", MODULES[name].read_text())

    assert plumbing or stores or not found


def doors() -> dict[str, EventDoor]:
    found = {}
    for path in sorted((ROOT / "services").glob("*/subscriptions.py")):
        found[path.parent.name] = import_module(f"services.{path.parent.name}.subscriptions").door
    return found


def test_every_event_has_a_handler_or_a_note() -> None:
    handled = {event.TYPE for door in doors().values() for event in door.handled}

    assert set(event_types()) - handled <= set(WITHOUT_CONSUMER)


def test_every_topic_has_a_subscriber() -> None:
    assert {topic for door in doors().values() for topic in door.topics} == set(Topic)


@pytest.mark.parametrize("name", [name for name in MODULES if "/local/" not in name])
def test_services_log_and_never_print(name: str) -> None:
    calls = (node for node in ast.walk(ast.parse(MODULES[name].read_text())) if isinstance(node, ast.Call))

    assert not [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]
