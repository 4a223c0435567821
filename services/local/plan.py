"""The processes of one system: the stores, sentry and the stand-ins of a small table, the apps of the topology."""

import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from services.local import credentials, detour, redis, runtime, topology
from services.local.postgres import Cluster
from services.local.processes import Spec
from services.local.runtime import Progress
from services.local.sidecars import Mesh
from services.local.state import Kind, State
from services.local.topology import LOOPBACK, App, Backend, Ports

_DRAIN_LIMIT = 25.0
"""Seconds that a service may take to end: it answers for up to 20 what it was asked before."""

_PYTHON_ENV = {"PYTHONUNBUFFERED": "1", "MALLOC_ARENA_MAX": "2"}


@dataclass(frozen=True)
class Plan:
    """What runs in the state folder at the offset."""

    state: State
    ports: Ports

    @cached_property
    def apps(self) -> tuple[App, ...]:
        """The services."""
        return topology.load()

    @cached_property
    def databases(self) -> tuple[str, ...]:
        """The services that own a database: those with migrations."""
        return topology.databases(self.apps)

    @cached_property
    def secrets(self) -> dict[str, str]:
        """The local secrets, generated when they are first asked for."""
        names = (app.app_id for app in self.apps)
        return credentials.ensure(self.state.secrets, apps=names, databases=self.databases, ports=self.ports)

    @cached_property
    def cluster(self) -> Cluster:
        """The PostgreSQL cluster."""
        return Cluster(self.state.data, self.ports.postgres, self.secrets["postgres-password"])

    def database_url(self, service: str) -> str:
        """The address of a service's database for its owner, past any detour."""
        return credentials.database_url(self.secrets, service, self.ports.postgres)

    async def mesh(self, progress: Progress) -> Mesh:
        """Dapr, found or built."""
        found = await runtime.ensure(progress)
        return Mesh(runtime=found, state=self.state, ports=self.ports, secrets=self.secrets)

    async def detours(self, progress: Progress) -> tuple[Spec, ...]:
        """The proxy on the way to the stores, found or built, if there is to be one."""
        if not self.ports.detour:
            return ()
        return (detour.spec(await detour.ensure(progress), state=self.state, ports=self.ports),)

    def redis_servers(self) -> tuple[Spec, ...]:
        """State and counters, and the broker."""
        data, secrets = self.state.data, self.secrets
        return (
            redis.server(
                redis.STATE_NAME,
                port=self.ports.redis,
                password=secrets["redis-password"],
                folder=data / redis.STATE_NAME,
                durability=redis.STATE,
            ),
            redis.server(
                redis.BROKER_NAME,
                port=self.ports.broker,
                password=secrets["broker-password"],
                folder=data / redis.BROKER_NAME,
                durability=redis.BROKER,
            ),
        )

    @property
    def broker_url(self) -> str:
        """Where the streams are."""
        return f"redis://:{self.secrets['broker-password']}@{LOOPBACK}:{self.ports.broker}/0"

    def stand_ins(self) -> tuple[Spec, ...]:
        """The local Stripe and the local mailbox."""
        ports, secrets = self.ports, self.secrets
        webhooks = f"http://{LOOPBACK}:{ports.public}/api/v1/webhooks/stripe"
        stripe = self._stand_in(
            "stripe",
            "services.local.stripe_server",
            ports=(ports.stripe,),
            arguments=("--port", str(ports.stripe), "--webhook-url", webhooks),
        )
        keys = {"STRIPE_API_KEY": secrets["stripe-api-key"], "STRIPE_WEBHOOK_SECRET": secrets["stripe-webhook-secret"]}
        mailbox = self._stand_in(
            "mailbox",
            "services.local.mailbox",
            ports=(ports.mailbox, ports.smtp),
            arguments=("--smtp-port", str(ports.smtp), "--http-port", str(ports.mailbox)),
        )
        return (replace(stripe, env={**stripe.env, **keys}), mailbox)

    def services(self, mesh: Mesh) -> tuple[Spec, ...]:
        """The services; each waits for its own sidecar."""
        return tuple(self._service(app, mesh) for app in self.apps)

    def sidecars(self, mesh: Mesh) -> tuple[Spec, ...]:
        """One sidecar for each service."""
        return tuple(mesh.sidecar(app) for app in self.apps)

    def all_ports(self) -> tuple[int, ...]:
        """Every port that the system will listen on."""
        return tuple(self.ports.at(port) for port in unmoved_ports(self.apps, detour=self.ports.detour))

    def _service(self, app: App, mesh: Mesh) -> Spec:
        port = self.ports.at(app.app_port)
        speaks_http = app.app_protocol != "grpc"
        return Spec(
            name=app.app_id,
            kind=Kind.SERVICE,
            command=(sys.executable, *app.command[1:]),
            env=_PYTHON_ENV | mesh.environment(app),
            url=f"{'http' if speaks_http else 'grpc'}://{LOOPBACK}:{port}",
            probe=f"http://{LOOPBACK}:{port}/healthz" if speaks_http else f"tcp://{LOOPBACK}:{port}",
            ports=(port,),
            grace=_DRAIN_LIMIT,
        )

    def _stand_in(self, name: str, module: str, *, ports: tuple[int, ...], arguments: tuple[str, ...]) -> Spec:
        folder = self.state.data / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        url = f"http://{LOOPBACK}:{ports[0]}"
        return Spec(
            name=name,
            kind=Kind.STAND_IN,
            command=(sys.executable, "-m", module, *arguments, "--state", str(folder)),
            env=_PYTHON_ENV,
            url=url,
            probe=f"{url}/healthz",
            ports=ports,
        )


def unmoved_ports(apps: Iterable[App], *, detour: bool = False) -> Iterable[int]:
    """Every port of the topology before the offset, the gateway's first."""
    fixed = Ports(detour=detour)
    for app in apps:
        yield from app.ports
    yield from (fixed.sentry, fixed.sentry + 1, fixed.sentry + 2)
    yield from (fixed.postgres, fixed.redis, fixed.broker)
    yield from (fixed.stripe, fixed.smtp, fixed.mailbox)
    if detour:
        yield from (fixed.detours, *(fixed.reached(backend) for backend in Backend))
