import json
import socket
import threading
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import stripe
import uvicorn
from starlette.types import ASGIApp

from services.local.stripe_server.app import create_app
from services.local.stripe_server.connections import CuttableProtocol
from services.local.stripe_server.settings import Settings
from tests.unit.stripe_server import hooks
from tests.unit.stripe_server.hooks import SECRET, Shop, wait_for

KEY = "sk_test_of_the_tests"


@dataclass(frozen=True)
class StandIn:
    """A running stand-in, and the real SDK pointed at it."""

    url: str
    client: stripe.StripeClient

    @property
    def intents(self) -> Any:
        return self.client.v1.payment_intents

    @property
    def refunds(self) -> Any:
        return self.client.v1.refunds

    def paid(self, amount: int = 2_500, card: str = "pm_card_visa") -> Any:
        params = {"amount": amount, "currency": "eur", "payment_method": card, "confirm": True}
        return self.intents.create(params=params)

    def fault(self, **fault: object) -> None:
        self.request("POST", "/_stand-in/faults", fault)

    def dispute(self, **complaint: object) -> Any:
        return json.loads(self.request("POST", "/_stand-in/disputes", complaint))

    def decide(self, dispute: Any, outcome: str) -> Any:
        path = f"/_stand-in/disputes/{dispute['id']}/close"
        return json.loads(self.request("POST", path, {"outcome": outcome}))

    def way(self, **unreliability: object) -> None:
        self.request("PUT", "/_stand-in/webhooks", unreliability)

    def send(self, **sending: object) -> int | None:
        answer: dict[str, int | None] = json.loads(self.request("POST", "/_stand-in/webhooks/send", sending))
        return answer["status"]

    def advance(self, seconds: float) -> Any:
        return json.loads(self.request("POST", "/_stand-in/clock", {"advance_seconds": seconds}))

    @property
    def movements(self) -> list[tuple[str, int, int]]:
        """The type, the amount and the fee of every balance transaction, oldest first."""
        page = self.client.v1.balance_transactions.list(params={"limit": 100})
        return [(one.type, one.amount, one.fee) for one in reversed(page.data)]

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        headers: dict[str, str] | None = None,
        form: dict[str, str] | None = None,
    ) -> Any:
        data = None if body is None else json.dumps(body).encode()
        if form is not None:
            data = urllib.parse.urlencode(form).encode()
        sent = {"Content-Type": "application/json", **(headers or {})}
        request = urllib.request.Request(f"{self.url}{path}", data, sent, method=method)  # noqa: S310 - our own
        with urllib.request.urlopen(request) as answer:  # noqa: S310 - our own
            return answer.read().decode()


def error_of(refused: pytest.ExceptionInfo[stripe.StripeError]) -> Any:
    """The error object that was answered."""
    body: Any = refused.value.json_body
    return body["error"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(
    folder: Path, shop: Shop, *, change_after: float = 0.05, around: Callable[[ASGIApp], ASGIApp] = lambda app: app
) -> Iterator[StandIn]:
    port = free_port()
    settings = Settings(
        port=port,
        state=folder,
        webhook_url=shop.url,
        api_key=KEY,
        webhook_secret=SECRET,
        change_after=change_after,
    )
    app = around(create_app(settings))
    server = uvicorn.Server(uvicorn.Config(app, "127.0.0.1", port, http=CuttableProtocol, log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_for(lambda: server.started)
    http: Any = stripe.RequestsClient()
    try:
        yield StandIn(
            settings.url,
            stripe.StripeClient(KEY, base_addresses={"api": settings.url}, max_network_retries=0, http_client=http),
        )
    finally:
        http.close()
        server.should_exit = True
        thread.join()


@pytest.fixture
def shop() -> Iterator[Shop]:
    with hooks.listening() as listening:
        yield listening


@pytest.fixture
def stand_in(tmp_path: Path, shop: Shop) -> Iterator[StandIn]:
    with running(tmp_path, shop) as started:
        yield started
