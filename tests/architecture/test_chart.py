"""The chart, the scrape file and the topology tell of the same services."""

from pathlib import Path
from typing import Any

import yaml

from services.local import topology

ROOT = Path(__file__).resolve().parents[2]


def _read(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text())


def test_the_chart_runs_what_the_topology_names() -> None:
    chart = {
        name: (one["port"], one["protocol"]) for name, one in _read("charts/sidecart/values.yaml")["services"].items()
    }

    assert chart == {app.app_id: (app.app_port, app.app_protocol or "http") for app in topology.load()}


def test_every_http_service_and_every_sidecar_is_scraped() -> None:
    apps = topology.load()
    jobs = {
        job["job_name"]: set(job["static_configs"][0]["targets"])
        for job in _read("monitoring/prometheus/prometheus.yaml")["scrape_configs"]
    }

    assert jobs["services"] == {f"127.0.0.1:{app.app_port}" for app in apps if app.app_protocol != "grpc"}
    assert jobs["sidecars"] == {f"127.0.0.1:{app.metrics_port}" for app in apps}
