"""Failpoints: named places between two durable effects, where a test may have the process die.

`SIDECART_FAILPOINTS` names a folder with one folder per application. A process that passes `failpoint("a.b")` and finds
a file of that name in its folder takes the file away and dies by SIGKILL: it dies once, and whatever is started in its
place goes on. A place may also be watched: its file goes, the process lives. Without the variable a failpoint costs one
comparison.
"""

import os
import signal
from pathlib import Path

_WATCHED = b"watched"

_folder: Path | None = None


def watch(root: Path | None, app_id: str) -> None:
    """Let this process look for its armed failpoints below `root`; None switches them off."""
    global _folder  # noqa: PLW0603 - set once when the process starts, and read on hot paths
    _folder = root / app_id if root is not None else None


def arm(root: Path, app_id: str, name: str) -> Path:
    """Let an application die at its next passage of a failpoint; the answered file is gone once it has."""
    armed = root / app_id / name
    armed.parent.mkdir(parents=True, exist_ok=True)
    armed.touch()
    return armed


def watch_for(root: Path, app_id: str, name: str) -> Path:
    """Have an application take the answered file away at its next passage of a failpoint, unharmed."""
    watched = arm(root, app_id, name)
    watched.write_bytes(_WATCHED)
    return watched


def failpoint(name: str) -> None:
    """Die here if this place is armed.

    :param name: `<module or aggregate>.<what is done>.<what is not done yet>`, a literal, unique within `services`.
    """
    if _folder is not None and _is_fatal(_folder / name):
        os.kill(os.getpid(), signal.SIGKILL)


def _is_fatal(armed: Path) -> bool:
    try:
        told = armed.read_bytes()
        armed.unlink()
    except FileNotFoundError:
        return False
    return told != _WATCHED
