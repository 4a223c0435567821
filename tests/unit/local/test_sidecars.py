from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from services.local.plan import Plan
from services.local.runtime import Runtime
from services.local.sidecars import Mesh
from services.local.state import State
from services.local.topology import Ports
from services.shared.grpc_app import GRACE_SECONDS


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    state = State(tmp_path)
    state.create()
    return Plan(state, Ports(offset=1000))


@pytest.fixture
def mesh(plan: Plan) -> Mesh:
    found = Runtime(daprd=Path("/bin/daprd"), sentry=Path("/bin/sentry"))
    return Mesh(runtime=found, state=plan.state, ports=plan.ports, secrets=plan.secrets)


def certify(mesh: Mesh, *, days: int) -> None:
    """A root as sentry writes it, that ends in so many days."""
    key, now = Ed25519PrivateKey.generate(), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "root")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    certificate = builder.not_valid_before(now).not_valid_after(now + timedelta(days=days)).sign(key, None)
    mesh.authority.mkdir(exist_ok=True)
    (mesh.authority / "ca.crt").write_bytes(certificate.public_bytes(Encoding.PEM))


def option(command: tuple[str, ...], name: str) -> str:
    return command[command.index(name) + 1]


def test_sidecars_listen_on_loopback_only_and_trust_only_sentry(plan: Plan, mesh: Mesh) -> None:
    mesh.prepare()
    certify(mesh, days=365)

    commands = [spec.command for spec in plan.sidecars(mesh)]

    for command in commands:
        for name in ("--dapr-listen-addresses", "--dapr-internal-grpc-listen-address", "--metrics-listen-address"):
            assert option(command, name) == "127.0.0.1"
        assert "--enable-mtls" in command
        assert option(command, "--sentry-address") == "127.0.0.1:9600"


def test_a_sidecar_reads_its_own_configuration_then_who_may_call_then_what_is_local(plan: Plan, mesh: Mesh) -> None:
    mesh.prepare()
    certify(mesh, days=365)

    command = next(spec.command for spec in plan.sidecars(mesh) if spec.name == "order.sidecar")

    configurations = [Path(command[at + 1]) for at, part in enumerate(command) if part == "--config"]
    assert [path.parts[-2:] for path in configurations[:2]] == [("config", "order.yaml"), ("access", "order.yaml")]
    assert configurations[2] == mesh.configuration


def test_an_app_and_its_sidecar_share_tokens_that_no_other_app_knows(plan: Plan, mesh: Mesh) -> None:
    mesh.prepare()
    certify(mesh, days=365)

    environments = [spec.env for spec in (*plan.services(mesh), *plan.sidecars(mesh))]

    assert len({environment["APP_API_TOKEN"] for environment in environments}) == len(plan.apps)
    assert len({environment["DAPR_API_TOKEN"] for environment in environments}) == len(plan.apps)
    assert all(environment["SIDECART_BROKER_HOST"] == "127.0.0.1:9612" for environment in environments)


def test_a_service_may_take_longer_to_end_than_it_answers_what_it_was_asked(plan: Plan, mesh: Mesh) -> None:
    mesh.prepare()
    certify(mesh, days=365)

    assert min(spec.grace for spec in plan.services(mesh)) > GRACE_SECONDS


def test_an_app_without_components_gets_none_and_no_sidecar_checks_health(plan: Plan, mesh: Mesh) -> None:
    mesh.prepare()
    certify(mesh, days=365)
    app = plan.apps[0].model_copy(update={"resources_paths": None})

    command = mesh.sidecar(app).command

    assert "--enable-app-health-check" not in command
    assert "--resources-path" not in command


def test_names_are_resolved_by_a_file_that_starts_empty_and_is_never_cleaned(mesh: Mesh) -> None:
    (mesh.state.dapr / "names.sqlite").write_text("an earlier run, on other ports")

    mesh.prepare()

    resolution = yaml.safe_load(mesh.configuration.read_text())["spec"]["nameResolution"]["configuration"]
    assert resolution == {"connectionString": str(mesh.state.dapr / "names.sqlite"), "cleanupInterval": "0"}
    assert not (mesh.state.dapr / "names.sqlite").exists()


def test_a_root_certificate_is_kept_until_its_last_month(mesh: Mesh) -> None:
    certify(mesh, days=31)
    mesh.prepare()
    assert (mesh.authority / "ca.crt").exists()

    certify(mesh, days=29)
    mesh.prepare()
    assert not (mesh.authority / "ca.crt").exists()


def test_stand_ins_get_their_secrets_by_environment_never_by_command(plan: Plan) -> None:
    stripe, mailbox = plan.stand_ins()

    assert stripe.env["STRIPE_API_KEY"] == plan.secrets["stripe-api-key"]
    assert not any(secret in part for secret in plan.secrets.values() for part in (*stripe.command, *mailbox.command))
    assert option(stripe.command, "--webhook-url") == "http://127.0.0.1:9080/api/v1/webhooks/stripe"
