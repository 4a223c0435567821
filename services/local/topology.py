"""What runs: the apps of `dapr/dapr.yaml`, read by the schema of the Dapr CLI, and the ports that all of it uses."""

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.alias_generators import to_camel

ROOT = Path(__file__).resolve().parents[2]
"""The root of the checkout."""

RUN_FILE = ROOT / "dapr" / "dapr.yaml"

LOOPBACK = "127.0.0.1"

PUBLIC_PORT = 8080
"""The gateway's port before the offset; `--port N` moves every port by N - 8080."""

Port = Annotated[int, Field(ge=1, le=65535)]


class _Strict(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True)


class Shared(_Strict):
    """What every app may have and the `common` section gives to all."""

    app_protocol: Literal["http", "grpc"] | None = None
    api_listen_addresses: str | None = None
    config_file_path: str | None = None
    resources_paths: tuple[str, ...] | None = None
    log_level: Literal["debug", "info", "warn", "error"] | None = None
    max_body_size: str | None = None
    read_buffer_size: str | None = None
    enable_app_health_check: bool | None = None
    app_health_check_path: str | None = None
    app_health_probe_interval: int | None = None
    app_health_probe_timeout: int | None = None
    app_health_threshold: int | None = None
    env: dict[str, str] = {}


class App(Shared):
    """One service and its sidecar."""

    app_id: Annotated[str, Field(alias="appID", pattern=r"^[a-z][a-z-]*$")]
    app_dir_path: str
    app_port: Port
    dapr_http_port: Annotated[Port, Field(alias="daprHTTPPort")]
    dapr_grpc_port: Annotated[Port, Field(alias="daprGRPCPort")]
    dapr_internal_grpc_port: Annotated[Port, Field(alias="daprInternalGRPCPort")]
    metrics_port: Port
    command: tuple[str, ...]

    @property
    def ports(self) -> tuple[int, ...]:
        """Every port of the app and its sidecar, before the offset."""
        return (self.app_port, *self.sidecar_ports)

    @property
    def sidecar_ports(self) -> tuple[int, ...]:
        """Every port of the sidecar alone, before the offset."""
        return (self.dapr_http_port, self.dapr_grpc_port, self.dapr_internal_grpc_port, self.metrics_port)


class RunFile(_Strict):
    """The multi-app run file."""

    version: Literal[1]
    common: Shared
    apps: tuple[App, ...]

    @model_validator(mode="after")
    def _no_port_twice(self) -> Self:
        seen: dict[int, str] = {}
        for app in self.apps:
            for port in app.ports:
                if port in seen:
                    message = f"port {port} belongs to {seen[port]} and to {app.app_id}"
                    raise ValueError(message)
                seen[port] = app.app_id
        return self

    def merged(self) -> tuple[App, ...]:
        """The apps, each with what `common` gives it; what an app says itself wins."""
        return tuple(self._with_common(app) for app in self.apps)

    def _with_common(self, app: App) -> App:
        shared = {name: getattr(self.common, name) for name in Shared.model_fields if name not in app.model_fields_set}
        return app.model_copy(update=shared | {"env": {**self.common.env, **app.env}})


def load(path: Path = RUN_FILE) -> tuple[App, ...]:
    """The apps of the run file.

    :raises pydantic.ValidationError: the file is not what the Dapr CLI would read, or names a port twice.
    """
    return RunFile.model_validate(yaml.safe_load(path.read_text())).merged()


def databases(apps: Iterable[App]) -> tuple[str, ...]:
    """The services that own a database: those with migrations."""
    return tuple(app.app_id for app in apps if (ROOT / "services" / app.app_id / "migrations").is_dir())


class Backend(StrEnum):
    """What services and sidecars reach beside one another."""

    POSTGRES = "postgres"
    REDIS = "redis"
    BROKER = "broker"
    STRIPE = "stripe"
    SMTP = "smtp"


class Ports(BaseModel):
    """Where everything listens that is not an app: a table plus the offset.

    With a detour, services and sidecars reach every backend through a proxy; everybody else goes there directly.
    """

    model_config = ConfigDict(frozen=True)

    offset: int = 0
    detour: bool = False

    def at(self, port: int) -> int:
        """A port of the topology, moved by the offset."""
        return port + self.offset

    def direct(self, backend: Backend) -> int:
        """Where a backend itself listens."""
        listening = {
            Backend.POSTGRES: self.postgres,
            Backend.REDIS: self.redis,
            Backend.BROKER: self.broker,
            Backend.STRIPE: self.stripe,
            Backend.SMTP: self.smtp,
        }
        return listening[backend]

    def reached(self, backend: Backend) -> int:
        """Where services and sidecars find a backend."""
        return self.detours + 1 + list(Backend).index(backend) if self.detour else self.direct(backend)

    @property
    def public(self) -> int:
        """The gateway."""
        return self.at(PUBLIC_PORT)

    @property
    def sentry(self) -> int:
        """Sentry's certificate authority; its health answers on the next port, its metrics on the one after."""
        return self.at(8600)

    @property
    def postgres(self) -> int:
        """PostgreSQL."""
        return self.at(8610)

    @property
    def redis(self) -> int:
        """Redis for state and counters."""
        return self.at(8611)

    @property
    def broker(self) -> int:
        """Redis for streams."""
        return self.at(8612)

    @property
    def stripe(self) -> int:
        """The Stripe stand-in."""
        return self.at(8620)

    @property
    def smtp(self) -> int:
        """The mailbox, receiving."""
        return self.at(8630)

    @property
    def detours(self) -> int:
        """Where a detour is made worse; its proxies listen on the next ports, one for each backend."""
        return self.at(8640)

    @property
    def mailbox(self) -> int:
        """The mailbox, read over HTTP."""
        return self.at(8631)
