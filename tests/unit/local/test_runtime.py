import asyncio
import os
import signal
from pathlib import Path

import psutil
import pytest

from services.local import boot, ports, runtime, topology
from services.local.plan import unmoved_ports
from services.local.refusals import MissingTool, Refusal
from services.local.state import Phase, State
from tests.conditions import eventually

BUILDS = '#!/bin/sh\nwhile [ "$1" != "-o" ]; do shift; done\nsleep 0.1\nprintf built > "$2"\n'
COMPILES_FOR_EVER = (
    '#!/bin/sh\nwhile [ "$1" != "-o" ]; do shift; done\n: > "$2"\nsleep 60 &\necho $$ $! > "$HOME/pids"\nwait\n'
)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with nothing on it: no Dapr, no Go, an empty cache."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/bin:/usr/bin")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(runtime, "USUAL_GO", tmp_path / "go")
    return tmp_path


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_a_fitting_dapr_on_the_path_is_used(machine: Path) -> None:
    installed = program(machine / "bin" / "daprd", "#!/bin/sh\necho 1.18.4\n")

    assert runtime.find("daprd") == installed


def test_a_dapr_of_another_version_is_passed_over(machine: Path) -> None:
    program(machine / "bin" / "daprd", "#!/bin/sh\necho 1.14.0\n")
    fitting = program(machine / ".dapr" / "bin" / "daprd", "#!/bin/sh\necho 1.18.1\n")

    assert runtime.find("daprd") == fitting


async def test_without_dapr_and_go_the_remedy_is_named(machine: Path) -> None:
    assert runtime.find("daprd") is None
    with pytest.raises(MissingTool, match=r"Install Dapr 1\.18\.1 or Go"):
        await runtime.ensure(print)
    assert not (machine / "cache").exists()


async def test_what_is_missing_is_built_once_for_the_user(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(machine / "bin" / "go", BUILDS)
    monkeypatch.setattr(runtime, "SAY_EVERY", 0.02)
    told: list[str] = []

    built = await runtime.ensure(told.append)
    program(machine / "bin" / "go", "#!/bin/sh\nexit 1\n")
    again = await runtime.ensure(told.append)

    assert again == built
    assert built.daprd == machine / "cache" / "sidecart" / "dapr-1.18.1" / "daprd"
    assert built.sentry.read_text() == "built"
    assert sum(line.startswith("building") for line in told) == 2
    assert any(line.startswith("still building") for line in told)


async def test_a_build_that_fails_says_what_the_compiler_said(machine: Path) -> None:
    program(machine / "bin" / "go", "#!/bin/sh\necho 'no such module' >&2\nexit 1\n")

    with pytest.raises(Refusal, match="Building daprd failed:\nno such module"):
        await runtime.ensure(print)


async def test_two_who_need_the_same_program_build_it_once(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(machine / "bin" / "go", BUILDS)
    monkeypatch.setattr(runtime, "LOCK_EVERY", 0.01)
    told: list[str] = []

    one, other = await asyncio.gather(runtime.ensure(told.append), runtime.ensure(told.append))

    assert one == other
    assert sum(line.startswith("building") for line in told) == 2


async def test_a_build_that_is_given_up_ends_with_all_that_it_has_started(machine: Path) -> None:
    program(machine / "bin" / "go", COMPILES_FOR_EVER)
    building = asyncio.create_task(runtime.ensure(print))
    compilers = await compiling(machine)

    building.cancel()

    with pytest.raises(asyncio.CancelledError):
        await building
    await eventually(lambda: asyncio.sleep(0, not any(map(runs, compilers))))
    assert [path.name for path in (machine / "cache" / "sidecart" / "dapr-1.18.1").iterdir()] == [".lock"]


async def test_a_system_can_be_stopped_while_dapr_is_being_built(machine: Path) -> None:
    program(machine / "bin" / "go", COMPILES_FOR_EVER)
    state = State(machine / "state")
    options = boot.Options(state=state, offset=ports.free_offset(unmoved_ports(topology.load())))
    starting = asyncio.create_task(boot.run(options, print, lambda: asyncio.sleep(0)))
    compilers = await compiling(machine)

    os.kill(os.getpid(), signal.SIGTERM)

    await starting
    record = state.read()
    assert record is not None
    assert record.phase is Phase.STOPPED
    await eventually(lambda: asyncio.sleep(0, not any(map(runs, compilers))))


async def compiling(machine: Path) -> list[psutil.Process]:
    """The compiler and what it has started, once both are there."""
    pids = machine / "pids"
    await eventually(lambda: asyncio.sleep(0, pids.exists() and len(pids.read_text().split()) == 2))
    return [psutil.Process(int(pid)) for pid in pids.read_text().split()]


def runs(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_go_is_found_where_its_installer_puts_it(machine: Path) -> None:
    assert runtime.go() is None

    program(machine / "go", "")

    assert runtime.go() == str(machine / "go")


def test_the_cache_is_the_users_unless_the_environment_names_another(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")

    assert runtime.cache() == machine / ".cache" / "sidecart"
