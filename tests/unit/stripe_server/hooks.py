"""A shop's webhook, as small as a test needs it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import stripe

SECRET = "whsec_of_the_tests"


@dataclass
class Shop:
    """What was delivered, and what is answered next (200 when nothing else is said)."""

    port: int
    answers: list[int] = field(default_factory=list)
    attempts: int = 0
    events: list[Any] = field(default_factory=list)
    secret: str = SECRET

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/webhooks/stripe"

    @property
    def types(self) -> list[str]:
        return [event["type"] for event in self.events]

    def take(self, body: bytes, signature: str) -> int:
        self.attempts += 1
        status = self.answers.pop(0) if self.answers else 200
        if status != 200:
            return status
        try:
            self.events.append(stripe.Webhook.construct_event(body, signature, self.secret))
        except stripe.SignatureVerificationError:
            return 400
        return status


@contextmanager
def listening() -> Iterator[Shop]:
    """A shop that listens on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(shop.take(body, self.headers["Stripe-Signature"]))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    shop = Shop(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield shop
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def wait_for(condition: Callable[[], object], *, within: float = 10.0) -> None:
    """Wait until something is so."""
    until = time.monotonic() + within
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < until, "it has not become so in time"
        pause.wait(0.005)
