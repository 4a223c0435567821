"""The Dapr side of the system: sentry, the sidecars, and the configuration that depends on where they run."""

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509

from services.local.credentials import write_private
from services.local.processes import Spec
from services.local.runtime import Runtime
from services.local.state import Kind, State
from services.local.topology import LOOPBACK, RUN_FILE, App, Backend, Ports

TRUST_DOMAIN = "sidecart.local"
NAMESPACE = "default"

_CONFIGURATION = """\
apiVersion: dapr.io/v1alpha1
kind: Configuration
metadata:
  name: local
spec:
  mtls:
    enabled: true
    workloadCertTTL: 24h
    allowedClockSkew: 15m
  nameResolution:
    component: sqlite
    version: v1
    configuration:
      connectionString: "{names}"
      cleanupInterval: "0"
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mesh:
    """What all sidecars of one system share."""

    runtime: Runtime
    state: State
    ports: Ports
    secrets: Mapping[str, str]

    @property
    def configuration(self) -> Path:
        """The generated part of the configuration: mutual TLS, and names resolved by a file of this system."""
        return self.state.dapr / "local.yaml"

    @property
    def authority(self) -> Path:
        """Sentry's keys."""
        return self.state.dapr / "authority"

    def prepare(self) -> None:
        """Write what sentry and the sidecars read. Names of an earlier run are forgotten: their ports may differ."""
        names = self.state.dapr / "names.sqlite"
        for stale in self.state.dapr.glob(f"{names.name}*"):
            stale.unlink()
        if _expires_soon(self.authority / "ca.crt"):
            shutil.rmtree(self.authority)
        self.authority.mkdir(mode=0o700, exist_ok=True)
        write_private(self.configuration, _CONFIGURATION.format(names=names))

    def sentry(self) -> Spec:
        """The certificate authority. It has no way to tell who asks, so it listens on loopback only."""
        port = self.ports.sentry
        return Spec(
            name="sentry",
            kind=Kind.CONTROL,
            command=(
                *(str(self.runtime.sentry), "--config", str(self.configuration)),
                *("--issuer-credentials", str(self.authority), "--trust-domain", TRUST_DOMAIN),
                *("--listen-address", LOOPBACK, "--port", str(port)),
                *("--healthz-listen-address", LOOPBACK, "--healthz-port", str(port + 1)),
                *("--metrics-listen-address", LOOPBACK, "--metrics-port", str(port + 2)),
                *("--log-level", "warn", "--log-as-json"),
            ),
            env={"NAMESPACE": NAMESPACE, "GOMAXPROCS": "2"},
            url=f"https://{LOOPBACK}:{port}",
            probe=f"http://{LOOPBACK}:{port + 1}/healthz",
            ports=(port, port + 1, port + 2),
        )

    def sidecar(self, app: App) -> Spec:
        """The sidecar of one app. Its trust anchors are what sentry has written by then."""
        port = self.ports.at(app.dapr_http_port)
        return Spec(
            name=f"{app.app_id}.sidecar",
            kind=Kind.SIDECAR,
            command=(str(self.runtime.daprd), *self._arguments(app)),
            env=self.environment(app)
            | {
                "NAMESPACE": NAMESPACE,
                "DAPR_TRUST_ANCHORS": (self.authority / "ca.crt").read_text(),
                "GOMAXPROCS": "2",
            },
            url=f"http://{LOOPBACK}:{port}",
            probe=f"http://{LOOPBACK}:{port}/v1.0/healthz",
            ports=tuple(self.ports.at(each) for each in app.sidecar_ports),
        )

    def environment(self, app: App) -> dict[str, str]:
        """What an app and its sidecar are told, in the names that `dapr run` uses too."""
        return {
            **app.env,
            "APP_ID": app.app_id,
            "APP_PORT": str(self.ports.at(app.app_port)),
            "DAPR_HTTP_PORT": str(self.ports.at(app.dapr_http_port)),
            "DAPR_GRPC_PORT": str(self.ports.at(app.dapr_grpc_port)),
            "APP_API_TOKEN": self.secrets[f"app-api-token-{app.app_id}"],
            "DAPR_API_TOKEN": self.secrets[f"dapr-api-token-{app.app_id}"],
            **addresses(self.ports, self.state),
        }

    def _arguments(self, app: App) -> tuple[str, ...]:
        return (
            *("--app-id", app.app_id, "--app-port", str(self.ports.at(app.app_port))),
            *("--app-protocol", app.app_protocol or "http", "--app-channel-address", LOOPBACK),
            *self._listening(app),
            *self._trusting(),
            *self._reading(app),
            *("--max-body-size", str(app.max_body_size), "--read-buffer-size", str(app.read_buffer_size)),
            *("--placement-host-address", "", "--scheduler-host-address", ""),
            *("--dapr-graceful-shutdown-seconds", "5", "--log-level", str(app.log_level), "--log-as-json"),
        )

    def _listening(self, app: App) -> Iterable[str]:
        yield from ("--dapr-listen-addresses", LOOPBACK, "--dapr-internal-grpc-listen-address", LOOPBACK)
        yield from ("--metrics-listen-address", LOOPBACK, "--metrics-port", str(self.ports.at(app.metrics_port)))
        yield from ("--dapr-http-port", str(self.ports.at(app.dapr_http_port)))
        yield from ("--dapr-grpc-port", str(self.ports.at(app.dapr_grpc_port)))
        yield from ("--dapr-internal-grpc-port", str(self.ports.at(app.dapr_internal_grpc_port)))

    def _trusting(self) -> Iterable[str]:
        yield from ("--enable-mtls", "--sentry-address", f"{LOOPBACK}:{self.ports.sentry}")
        yield from ("--control-plane-trust-domain", TRUST_DOMAIN)

    def _reading(self, app: App) -> Iterable[str]:
        folder = RUN_FILE.parent
        for path in app.resources_paths or ():
            yield from ("--resources-path", str((folder / path).resolve()))
        own = (folder / str(app.config_file_path)).resolve()
        for part in (own, own.parent / "access" / own.name, self.configuration):
            yield from ("--config", str(part))


def addresses(ports: Ports, state: State) -> dict[str, str]:
    """Where the components find their stores, and the apps their stand-ins."""
    return {
        "SIDECART_REDIS_HOST": f"{LOOPBACK}:{ports.reached(Backend.REDIS)}",
        "SIDECART_BROKER_HOST": f"{LOOPBACK}:{ports.reached(Backend.BROKER)}",
        "SIDECART_SMTP_HOST": LOOPBACK,
        "SIDECART_SMTP_PORT": str(ports.reached(Backend.SMTP)),
        "SIDECART_SECRETS_FILE": str(state.secrets),
        "SIDECART_STRIPE_API": f"http://{LOOPBACK}:{ports.reached(Backend.STRIPE)}",
    }


def _expires_soon(certificate: Path) -> bool:
    """Whether sentry's root, which lives for a year, ends within a month; a new one is made then."""
    if not certificate.exists():
        return False
    ends = x509.load_pem_x509_certificate(certificate.read_bytes()).not_valid_after_utc
    return ends - datetime.now(UTC) < timedelta(days=30)
