"""The two providers that the service is tested against: the double in memory, and the stand-in through Stripe's SDK."""

import json
import re
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Protocol

import httpx2
import uvicorn

from services.local.stripe_server.app import create_app
from services.local.stripe_server.connections import CuttableProtocol
from services.local.stripe_server.settings import Settings as StandInSettings
from services.payment.app import Connect
from services.payment.clients import stripe_provider
from services.payment.clients.provider import Provider
from services.payment.clients.provider_double import Fault, ProviderDouble
from services.payment.domain.intents import DisputeStatus
from services.shared.runtime import Runtime
from tests.conditions import free_port, wait_until

API_KEY = "sk_test_bank"
WEBHOOK_SECRET = "whsec_bank"


class Bank(Protocol):
    """A provider, and the hand that makes it go wrong."""

    @property
    def connect(self) -> Connect | None: ...

    @property
    def address(self) -> str | None: ...

    async def go_wrong(self, operation: str, fault: Fault, times: int = 1) -> None: ...

    async def authenticate(self, url: str, *, passes: bool) -> None: ...

    async def dispute(self, intent_id: str, *, amount_minor: int | None = None, is_inquiry: bool = False) -> str: ...

    async def close_dispute(self, reference: str, outcome: DisputeStatus) -> None: ...


class DoubleBank:
    """The double."""

    address = None

    def __init__(self) -> None:
        self.provider = ProviderDouble()
        self.connect = self._connect

    @asynccontextmanager
    async def _connect(self, _: Runtime) -> AsyncIterator[Provider]:
        yield self.provider

    async def go_wrong(self, operation: str, fault: Fault, times: int = 1) -> None:
        self.provider.go_wrong(operation, fault, times)

    async def authenticate(self, url: str, *, passes: bool) -> None:
        self.provider.authenticate(url.rsplit("/", 1)[1], passes=passes)

    async def dispute(self, intent_id: str, *, amount_minor: int | None = None, is_inquiry: bool = False) -> str:
        status = DisputeStatus.INQUIRY if is_inquiry else DisputeStatus.OPEN
        return self.provider.dispute(intent_id, amount_minor=amount_minor, status=status)

    async def close_dispute(self, reference: str, outcome: DisputeStatus) -> None:
        self.provider.close_dispute(reference, outcome)


@dataclass
class StandIn:
    """The running stand-in, and every event that it delivered, as (body, signature)."""

    address: str
    events: list[tuple[bytes, str]] = field(default_factory=list)
    connect: None = None

    async def go_wrong(self, operation: str, fault: Fault, times: int = 1) -> None:
        async with httpx2.AsyncClient(base_url=self.address) as http:
            body = {"match": operation, "kind": fault, "times": times}
            (await http.post("/_stand-in/faults", json=body)).raise_for_status()

    async def authenticate(self, url: str, *, passes: bool) -> None:
        async with httpx2.AsyncClient() as http:
            (await http.post(f"{url}/{'pass' if passes else 'fail'}")).raise_for_status()

    async def dispute(self, intent_id: str, *, amount_minor: int | None = None, is_inquiry: bool = False) -> str:
        body = {"payment_intent": intent_id, "amount": amount_minor, "inquiry": is_inquiry}
        return str((await self._ask("disputes", body))["id"])

    async def close_dispute(self, reference: str, outcome: DisputeStatus) -> None:
        """An inquiry is dropped, whatever its outcome."""
        decided = "lost" if outcome is DisputeStatus.LOST else "won"
        await self._ask(f"disputes/{reference}/close", {"outcome": decided})

    async def _ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        async with httpx2.AsyncClient(base_url=self.address) as http:
            answer = (await http.post(f"/_stand-in/{path}", json=body)).raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def events_about(self, order_id: Any, *types: str) -> list[tuple[bytes, str]]:
        """The delivered events of an order, oldest first, once one of each of these types is there."""

        def found() -> list[tuple[bytes, str]]:
            about = [event for event in list(self.events) if str(order_id).encode() in event[0]]
            told = {json.loads(body)["type"] for body, _ in about}
            return about if told >= set(types) else []

        return wait_until(found)


@contextmanager
def running_stand_in(state: Path) -> Iterator[StandIn]:
    """The stand-in on a port of its own, telling its events to a listener that keeps them."""
    bank = StandIn(address=f"http://127.0.0.1:{free_port()}")
    with _listener(bank) as webhook_url:
        port = int(re.findall(r"\d+$", bank.address)[0])
        settings = StandInSettings(
            port=port,
            state=state,
            webhook_url=webhook_url,
            api_key=API_KEY,
            webhook_secret=WEBHOOK_SECRET,
            change_after=0.05,
        )
        config = uvicorn.Config(
            create_app(settings), port=port, http=CuttableProtocol, log_level="error", lifespan="on"
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run)
        thread.start()
        wait_until(lambda: server.started)
        yield bank
        server.should_exit = True
        thread.join()


@contextmanager
def _listener(bank: StandIn) -> Iterator[str]:
    class Keep(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            bank.events.append((body, self.headers["Stripe-Signature"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Keep) as listener:
        thread = threading.Thread(target=listener.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{listener.server_port}/webhooks/stripe"
        listener.shutdown()
        thread.join()


@asynccontextmanager
async def provider_of(bank: Bank) -> AsyncIterator[Provider]:
    """The provider itself, without a service around it."""
    if isinstance(bank, DoubleBank):
        yield bank.provider
        return
    async with stripe_provider.connect(api_key=API_KEY, address=bank.address, return_url=None, seconds=5) as provider:
        yield provider
