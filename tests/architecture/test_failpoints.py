"""Failpoints: found by reading the source, so that the sweep needs no list of them."""

from collections import Counter
from pathlib import Path

import pytest

from services.local import topology
from services.local.plan import Plan
from services.local.proofs import points
from services.local.proofs.points import WELL_FORMED, NotALiteral, Point
from services.local.state import State
from services.local.topology import Ports

POINTS = points.find()
APPS = {app.app_id for app in topology.load()}


def test_there_are_failpoints_in_every_service_with_a_database(tmp_path: Path) -> None:
    databases = Plan(State(tmp_path), Ports()).databases

    assert set(databases) <= {point.owner for point in POINTS} | {"shared"}


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.name)
def test_a_failpoint_says_what_is_done_and_what_is_not(point: Point) -> None:
    assert WELL_FORMED.fullmatch(point.name)


def test_no_two_failpoints_have_one_name() -> None:
    names = Counter(point.name for point in POINTS)

    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("point", POINTS, ids=lambda point: point.name)
def test_it_is_known_which_applications_run_a_failpoint(point: Point) -> None:
    runners = points.runners(point)

    assert runners
    assert set(runners) <= APPS


def test_what_is_shared_belongs_to_those_who_run_it() -> None:
    relay = _only("relay.published.before_mark")
    letters = _only("dead_letter.parked.before_answer")
    handled, together = _only("event.handled.before_commit"), _only("event.handled_together.before_commit")

    assert points.runners(relay) == ["inventory", "notification", "order", "payment", "product", "user"]
    assert points.runners(letters) == ["inventory", "notification", "order", "payment", "product"]
    assert points.runners(handled) == ["inventory", "notification", "order", "payment"]
    assert points.runners(together) == ["product"]


def test_a_new_failpoint_is_found_where_it_stands(tmp_path: Path) -> None:
    module = tmp_path / "order" / "operations.py"
    module.parent.mkdir()
    module.write_text("async def place():\n    async with x:\n        failpoint('order.new.before_old')\n")

    assert points.find(tmp_path) == [Point("order.new.before_old", "order/operations.py", "place")]


@pytest.mark.parametrize("arguments", ["name", "'a' + 'b'", "f'{name}'", "name='a'", ""])
def test_a_failpoint_without_a_literal_name_is_refused(tmp_path: Path, arguments: str) -> None:
    module = tmp_path / "order.py"
    module.write_text(f"def place(name):\n    failpoint({arguments})\n")

    with pytest.raises(NotALiteral):
        points.find(tmp_path)


def _only(name: str) -> Point:
    (found,) = (point for point in POINTS if point.name == name)
    return found
