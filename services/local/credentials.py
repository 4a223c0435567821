"""The local secrets: generated once, kept in one file that only its owner may read, served by Dapr's secret store."""

import json
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from services.local.topology import LOOPBACK, Backend, Ports


def ensure(path: Path, *, apps: Iterable[str], databases: Iterable[str], ports: Ports) -> dict[str, str]:
    """The secrets in the file at `path`, with whatever was missing generated and every address brought up to date.

    Passwords and keys survive; addresses follow the ports. The file is written with mode 0600, and whole or not at all.
    """
    kept: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    databases = tuple(databases)
    values = {**_generated(tuple(apps), databases), **kept}
    values |= _addresses(values, databases, ports)
    if values != kept:
        write_private(path, json.dumps(values, indent=2) + "\n")
    return values


def write_private(path: Path, text: str) -> None:
    """Replace the file at `path` in one step, readable by its owner only."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)


def password_of(values: Mapping[str, str], app: str) -> str:
    """The password of the app's database role."""
    return values[f"{app}-database-password"]


def database_url(values: Mapping[str, str], app: str, port: int) -> str:
    """The address of the app's database for its role, reached on a port."""
    return f"postgresql://{app}:{password_of(values, app)}@{LOOPBACK}:{port}/{app}"


def _generated(apps: tuple[str, ...], databases: tuple[str, ...]) -> dict[str, str]:
    per_app = ("app-api-token", "dapr-api-token")
    return {
        "postgres-password": _password(),
        "redis-password": _password(),
        "broker-password": _password(),
        "operator-password": _password(),
        "stripe-api-key": f"sk_test_{secrets.token_hex(24)}",
        "stripe-webhook-secret": f"whsec_{secrets.token_hex(24)}",
        "jwt-private-key": _signing_key(),
        **{kind: _password() for kind in per_app},
        **{f"{kind}-{app}": _password() for kind in per_app for app in apps},
        **{f"{app}-database-password": _password() for app in databases},
    }


def _addresses(values: Mapping[str, str], databases: tuple[str, ...], ports: Ports) -> dict[str, str]:
    postgres, redis = ports.reached(Backend.POSTGRES), ports.reached(Backend.REDIS)
    urls = {f"{app}-database-url": database_url(values, app, postgres) for app in databases}
    return urls | {"redis-url": f"redis://:{values['redis-password']}@{LOOPBACK}:{redis}/0"}


def _password() -> str:
    return secrets.token_hex(24)


def _signing_key() -> str:
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
