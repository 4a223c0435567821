import json
import stat
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from services.local import credentials
from services.local.topology import Ports


def generated(path: Path, offset: int = 0, *, detour: bool = False) -> dict[str, str]:
    ports = Ports(offset=offset, detour=detour)
    return credentials.ensure(path, apps=["gateway", "order"], databases=["order"], ports=ports)


def test_secrets_are_generated_into_a_file_that_only_its_owner_may_read(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"

    values = generated(path)

    assert json.loads(path.read_text()) == values
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_every_app_has_tokens_of_its_own_and_only_owners_of_a_database_have_its_address(tmp_path: Path) -> None:
    values = generated(tmp_path / "secrets.json")

    tokens = {values[f"{kind}-{app}"] for kind in ("app-api-token", "dapr-api-token") for app in ("gateway", "order")}
    assert len(tokens) == 4
    assert "gateway-database-url" not in values
    password = credentials.password_of(values, "order")
    assert values["order-database-url"] == f"postgresql://order:{password}@127.0.0.1:8610/order"


def test_secrets_survive_a_move_to_other_ports_and_addresses_follow_it(tmp_path: Path) -> None:
    before = generated(tmp_path / "secrets.json")

    after = generated(tmp_path / "secrets.json", offset=1000)

    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"order-database-url", "redis-url"}
    assert after["redis-url"].endswith("@127.0.0.1:9611/0")


def test_services_are_told_of_the_detour(tmp_path: Path) -> None:
    values = generated(tmp_path / "secrets.json", detour=True)

    assert values["order-database-url"].endswith("@127.0.0.1:8641/order")
    assert values["redis-url"].endswith("@127.0.0.1:8642/0")


def test_a_secret_that_an_older_file_lacks_is_added(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    path.write_text('{"operator-password": "kept"}')

    values = generated(path)

    assert values["operator-password"] == "kept"
    assert values["stripe-webhook-secret"].startswith("whsec_")


def test_nothing_is_written_when_nothing_changed(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    generated(path)
    before = path.stat().st_ino

    generated(path)

    assert path.stat().st_ino == before


def test_tokens_are_signed_by_an_ed25519_key(tmp_path: Path) -> None:
    values = generated(tmp_path / "secrets.json")

    key = load_pem_private_key(values["jwt-private-key"].encode(), password=None)

    assert isinstance(key, Ed25519PrivateKey)
