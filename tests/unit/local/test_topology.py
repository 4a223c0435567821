from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from services.local import topology
from services.local.plan import unmoved_ports
from services.local.topology import Backend, Ports

APP = {
    "appID": "shop",
    "appDirPath": "..",
    "appPort": 8101,
    "daprHTTPPort": 8201,
    "daprGRPCPort": 8301,
    "daprInternalGRPCPort": 8401,
    "metricsPort": 8501,
    "command": ["python", "-m", "shop"],
}


def written(folder: Path, *apps: dict[str, object], common: Mapping[str, object] | None = None) -> Path:
    path = folder / "dapr.yaml"
    path.write_text(yaml.safe_dump({"version": 1, "common": common or {}, "apps": list(apps)}))
    return path


def test_an_app_has_what_common_says_unless_it_says_something_else(tmp_path: Path) -> None:
    common = {"logLevel": "warn", "appProtocol": "http", "env": {"A": "common", "B": "common"}}
    path = written(tmp_path, APP | {"appProtocol": "grpc", "env": {"B": "own"}}, common=common)

    (app,) = topology.load(path)

    assert app.log_level == "warn"
    assert app.app_protocol == "grpc"
    assert app.env == {"A": "common", "B": "own"}


def test_a_key_that_the_dapr_cli_does_not_know_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, APP | {"sentryAddress": "127.0.0.1:50001"})

    with pytest.raises(ValidationError, match="sentryAddress"):
        topology.load(path)


def test_a_port_that_two_apps_name_is_refused(tmp_path: Path) -> None:
    other = {name: value + 1 if isinstance(value, int) else value for name, value in APP.items()}
    path = written(tmp_path, APP, other | {"appID": "other", "appPort": APP["daprHTTPPort"]})

    with pytest.raises(ValidationError, match="port 8201 belongs to shop and to other"):
        topology.load(path)


def test_every_port_moves_by_the_offset_and_none_is_used_twice() -> None:
    moved = Ports(offset=10_000)
    ports = list(unmoved_ports(topology.load()))

    assert moved.public == 18_080
    assert moved.mailbox == 18_631
    assert len(set(ports)) == len(ports) == 7 * 5 + 9


def test_a_backend_is_reached_where_it_listens_unless_there_is_a_detour() -> None:
    straight, round_about = Ports(offset=100), Ports(offset=100, detour=True)

    assert [straight.reached(backend) for backend in Backend] == [8710, 8711, 8712, 8720, 8730]
    assert [round_about.reached(backend) for backend in Backend] == [8741, 8742, 8743, 8744, 8745]
    assert [round_about.direct(backend) for backend in Backend] == [straight.direct(backend) for backend in Backend]


def test_a_detour_has_ports_of_its_own() -> None:
    ports = list(unmoved_ports(topology.load(), detour=True))

    assert len(set(ports)) == len(ports) == 7 * 5 + 9 + 6
