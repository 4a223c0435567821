import json
from pathlib import Path

import pytest

from services.local import detour, runtime
from services.local.plan import Plan
from services.local.refusals import MissingTool
from services.local.state import State
from services.local.topology import Ports

BUILDS = '#!/bin/sh\nwhile [ "$1" != "-o" ]; do shift; done\nprintf built > "$2"\n'


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without Go, with an empty cache."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin:/usr/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(runtime, "USUAL_GO", tmp_path / "go")
    return tmp_path


@pytest.fixture
def state(tmp_path: Path) -> State:
    state = State(tmp_path / "state")
    state.create()
    return state


def add_go(machine: Path) -> None:
    (machine / "bin" / "go").write_text(BUILDS)
    (machine / "bin" / "go").chmod(0o755)


async def test_without_go_there_is_no_detour_and_it_is_said_why(machine: Path) -> None:
    assert "no Go to build it" in await detour.obstacle(print)
    assert not (machine / "cache").exists()
    with pytest.raises(MissingTool):
        await detour.ensure(print)


async def test_toxiproxy_is_built_once_in_the_version_that_is_pinned(machine: Path) -> None:
    add_go(machine)

    assert not await detour.obstacle(print)
    (machine / "bin" / "go").unlink()

    assert not await detour.obstacle(print)
    assert await detour.ensure(print) == machine / "cache" / "sidecart" / "toxiproxy-v2.5.0" / "toxiproxy"


def test_a_detour_leads_to_every_backend(machine: Path, state: State) -> None:
    spec = detour.spec(machine / "toxiproxy", state=state, ports=Ports(offset=100, detour=True))

    ways = json.loads(Path(spec.command[-1]).read_text())
    assert [(way["name"], way["listen"], way["upstream"]) for way in ways] == [
        ("postgres", "127.0.0.1:8741", "127.0.0.1:8710"),
        ("redis", "127.0.0.1:8742", "127.0.0.1:8711"),
        ("broker", "127.0.0.1:8743", "127.0.0.1:8712"),
        ("stripe", "127.0.0.1:8744", "127.0.0.1:8720"),
        ("smtp", "127.0.0.1:8745", "127.0.0.1:8730"),
    ]
    assert spec.ports == (8740, 8741, 8742, 8743, 8744, 8745)


async def test_a_usual_system_has_no_detour(state: State) -> None:
    plan = Plan(state, Ports())

    assert await plan.detours(print) == ()
    assert 8640 not in plan.all_ports()


def test_the_owner_of_a_database_goes_past_the_detour(state: State) -> None:
    plan = Plan(state, Ports(detour=True))

    assert plan.secrets["order-database-url"].endswith("@127.0.0.1:8641/order")
    assert plan.database_url("order") == plan.secrets["order-database-url"].replace(":8641/", ":8610/")


async def test_a_system_with_a_detour_gets_it_built(machine: Path, state: State) -> None:
    add_go(machine)

    (spec,) = await Plan(state, Ports(detour=True)).detours(print)

    assert spec.command[0] == str(machine / "cache" / "sidecart" / "toxiproxy-v2.5.0" / "toxiproxy")
