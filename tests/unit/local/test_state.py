import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from services.local.refusals import AlreadyRunning
from services.local.state import ELSEWHERE, Kind, Phase, Record, Running, State, alive, this_process
from services.local.topology import ROOT


def record(**changes: object) -> Record:
    me = this_process()
    running = Running(
        name="order", kind=Kind.SERVICE, pid=me.pid, started=me.create_time(), url="http://x", probe="http://x/healthz"
    )
    values = {"supervisor": me.pid, "started": me.create_time(), "offset": 7, "phase": Phase.HEALTHY}
    return Record(**values | {"processes": (running,)} | changes)  # type: ignore[arg-type] # a test's own changes


@pytest.fixture
def state(tmp_path: Path) -> State:
    state = State(tmp_path / "state")
    state.create()
    return state


def test_the_folder_is_closed_to_other_users(state: State) -> None:
    assert stat.S_IMODE(state.root.stat().st_mode) == 0o700


def test_a_record_reads_back_as_it_was_written(state: State) -> None:
    written = record()

    state.write(written)

    assert state.read() == written
    assert state.running() == written


def test_without_a_record_nothing_runs(state: State) -> None:
    assert state.read() is None
    assert state.running() is None


def test_a_record_whose_supervisor_is_gone_is_not_running(state: State) -> None:
    state.write(record(started=this_process().create_time() - 100))

    assert state.read() is not None
    assert state.running() is None


def test_a_process_is_known_by_its_id_and_start() -> None:
    me = this_process()

    assert alive(me.pid, me.create_time()) == me
    assert alive(me.pid, me.create_time() - 100) is None


def test_a_process_that_has_ended_is_not_alive() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()

    assert alive(ended.pid, 0) is None


def test_one_folder_has_one_supervisor(state: State) -> None:
    with state.locked(), pytest.raises(AlreadyRunning), state.locked():
        pytest.fail("a second supervisor has the lock")


def test_the_lock_is_free_again_after_its_holder(state: State) -> None:
    with state.locked():
        pass

    with state.locked():
        assert (state.root / "lock").exists()


def test_clearing_forgets_everything_but_the_lock(state: State) -> None:
    with state.locked():
        state.secrets.write_text("{}")
        (state.data / "something").write_text("old")

        state.clear()

    assert {path.name for path in state.root.iterdir()} == {"lock", "logs", "data", "dapr"}
    assert not list(state.data.iterdir())


def test_commands_use_the_checkouts_folder_unless_the_environment_names_another(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(ELSEWHERE, raising=False)
    usual = State()
    monkeypatch.setenv(ELSEWHERE, str(tmp_path))

    assert usual.root == ROOT / ".sidecart"
    assert State().root == tmp_path


def test_this_process_is_the_one_that_runs_the_test() -> None:
    assert this_process().pid == os.getpid()
