import signal
import subprocess
import sys
from pathlib import Path

from services.shared import failpoints

_PROGRAM = """
import sys
from pathlib import Path
from services.shared.failpoints import failpoint, watch

watch(Path(sys.argv[1]) if sys.argv[1] else None, "order")
failpoint("order.placed.before_commit")
print("went on")
"""


def _run(root: Path | str) -> subprocess.CompletedProcess[str]:
    return subprocess.run((sys.executable, "-c", _PROGRAM, str(root)), capture_output=True, text=True, check=False)


def test_a_process_dies_once_at_an_armed_failpoint_and_its_successor_goes_on(tmp_path: Path) -> None:
    armed = failpoints.arm(tmp_path, "order", "order.placed.before_commit")

    first, second = _run(tmp_path), _run(tmp_path)

    assert first.returncode == -signal.SIGKILL
    assert not armed.exists()
    assert (second.returncode, second.stdout) == (0, "went on\n")


def test_another_applications_failpoint_and_another_place_let_a_process_live(tmp_path: Path) -> None:
    elsewhere = failpoints.arm(tmp_path, "payment", "order.placed.before_commit")
    another = failpoints.arm(tmp_path, "order", "order.placed.after_commit")

    assert _run(tmp_path).stdout == "went on\n"
    assert elsewhere.exists()
    assert another.exists()


def test_a_watched_failpoint_tells_of_its_passage_and_lets_the_process_live(tmp_path: Path) -> None:
    watched = failpoints.watch_for(tmp_path, "order", "order.placed.before_commit")

    assert _run(tmp_path).stdout == "went on\n"
    assert not watched.exists()


def test_without_a_folder_nothing_is_looked_for(tmp_path: Path) -> None:
    failpoints.arm(tmp_path, "order", "order.placed.before_commit")

    assert _run("").stdout == "went on\n"
