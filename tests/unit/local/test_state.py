import os
import stat
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from services.local.refusals import AlreadyRunning
from services.local.state import ELSEWHERE, Kind, Phase, Record, Running, State, alive, birth
from services.local.topology import ROOT


def record(**changes: object) -> Record:
    me = os.getpid()
    running = Running(
        name="order", kind=Kind.SERVICE, pid=me, started=birth(me), url="http://x", probe="http://x/healthz"
    )
    values = {"supervisor": me, "started": birth(me), "offset": 7, "phase": Phase.HEALTHY}
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
    state.write(record(started="earlier"))

    assert state.read() is not None
    assert state.running() is None


def test_a_process_is_known_by_its_id_and_birth() -> None:
    me = os.getpid()

    assert alive(me, birth(me)) == psutil.Process(me)
    assert alive(me, "earlier") is None


def test_a_process_is_known_after_the_clock_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    me = os.getpid()
    known = birth(me)

    monkeypatch.setattr(psutil.Process, "create_time", lambda _: 0.0)

    assert birth(me) == known
    assert alive(me, known) is not None


def test_what_never_was_has_no_birth() -> None:
    with pytest.raises(FileNotFoundError):
        birth(2**22 + 1)


def test_a_process_that_has_ended_is_not_alive() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        known = birth(ended.pid)
        ended.wait()

    assert alive(ended.pid, known) is None


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
