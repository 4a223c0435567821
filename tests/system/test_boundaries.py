"""Who may reach whom: tokens at the sidecars and the services, access control between them, mutual TLS beneath."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from services.local.customer.actors import Cast
from services.local.system import System
from services.local.topology import LOOPBACK


def port(system: System, name: str) -> int:
    """The port of a process's first address."""
    return int(system.processes[name].url.rsplit(":", 1)[1].strip("/"))


async def asked(method: str, url: str, headers: Mapping[str, str] | None = None, body: Any = None) -> tuple[int, str]:
    """The status and the text of one plain request."""
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url, headers=headers, json=body, timeout=aiohttp.ClientTimeout(total=20)) as answer,
    ):
        return answer.status, await answer.text()


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/internal/prices"),
        ("POST", f"/internal/placements/{uuid4()}/ask"),
        ("GET", f"/internal/payables/{uuid4()}"),
        ("POST", f"/internal/payables/{uuid4()}/close"),
        ("POST", "/internal/facts"),
        ("POST", "/internal/facts/again"),
        ("POST", "/events/orders"),
        ("POST", "/dead-letters"),
        ("GET", "/dapr/subscribe"),
    ],
)
async def test_what_is_internal_is_not_in_the_gateways_table(cast: Cast, method: str, path: str) -> None:
    assert (await cast.staff.call(method, path)).status == 404
    assert (await cast.staff.call(method, f"/products/..{path}")).status in {400, 404}


@pytest.mark.parametrize("service", ["user", "product", "order", "payment", "notification"])
async def test_a_service_answers_nobody_but_its_sidecar(system: System, service: str) -> None:
    url = f"http://{LOOPBACK}:{port(system, service)}"

    assert (await asked("GET", f"{url}/healthz"))[0] == 200
    for headers in ({}, {"dapr-api-token": "guess"}):
        assert (await asked("POST", f"{url}/internal/prices", headers))[0] == 401


@pytest.mark.parametrize("service", ["gateway", "user", "inventory", "order"])
async def test_a_sidecar_answers_nobody_without_its_token(system: System, service: str) -> None:
    url = f"http://{LOOPBACK}:{port(system, f'{service}.sidecar')}"

    for headers in ({}, {"dapr-api-token": "guess"}):
        assert (await asked("GET", f"{url}/v1.0/secrets/secrets/bulk", headers))[0] == 401


@pytest.mark.parametrize(
    ("caller", "callee", "method", "path"),
    [
        ("notification", "order", "GET", f"internal/payables/{uuid4()}"),
        ("payment", "order", "POST", f"internal/placements/{uuid4()}/ask"),
        ("gateway", "payment", "POST", f"internal/payables/{uuid4()}/close"),
        ("gateway", "product", "POST", "internal/prices"),
        ("gateway", "order", "POST", "internal/facts"),
        ("product", "order", "POST", "internal/facts/again"),
        ("gateway", "order", "POST", "events/payments"),
        ("order", "payment", "POST", "payments"),
        ("order", "user", "GET", "users"),
    ],
)
async def test_access_control_lets_nobody_do_what_is_not_written_down(
    system: System, caller: str, callee: str, method: str, path: str
) -> None:
    token = system.secrets[f"dapr-api-token-{caller}"]
    url = f"http://{LOOPBACK}:{port(system, f'{caller}.sidecar')}/v1.0/invoke/{callee}/method/{path}"

    status, text = await asked(method, url, {"dapr-api-token": token}, {})

    assert status == 403, text


async def test_an_app_reads_its_own_secrets_only(system: System) -> None:
    for app in ("order", "payment", "gateway"):
        url = f"http://{LOOPBACK}:{port(system, f'{app}.sidecar')}/v1.0/secrets/secrets/bulk"
        _, text = await asked("GET", url, {"dapr-api-token": system.secrets[f"dapr-api-token-{app}"]})

        own = {"order-database-url", "redis-url", "stripe-api-key", "stripe-webhook-secret", "payment-database-url"}
        assert set(json.loads(text)) <= own
        assert "jwt-private-key" not in text
        assert "operator-password" not in text


async def test_an_app_publishes_its_own_facts_only(system: System) -> None:
    url = f"http://{LOOPBACK}:{port(system, 'notification.sidecar')}/v1.0/publish/events/payments"

    status, text = await asked("POST", url, {"dapr-api-token": system.secrets["dapr-api-token-notification"]}, {})

    assert status == 403, text


async def test_sidecars_speak_mutual_tls(system: System) -> None:
    url = f"http://{LOOPBACK}:{port(system, 'order.sidecar')}/v1.0/metadata"
    _, text = await asked("GET", url, {"dapr-api-token": system.secrets["dapr-api-token-order"]})

    assert json.loads(text)["id"] == "order"
    assert "sentry" in system.processes
    for log in (system.state.log("order.sidecar"), system.state.log("payment.sidecar")):
        assert "mTLS is disabled" not in log.read_text()
