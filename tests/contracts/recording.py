"""What passes between the project and the Stripe stand-in, kept word for word."""

import json
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTROL = "/_stand-in"


@dataclass
class Exchange:
    """One request as it was sent, and its answer."""

    method: str
    path: str
    query: str
    sent: bytes = b""
    status: int = 0
    answered: bytes = b""

    @property
    def answer(self) -> Any:
        return json.loads(self.answered)

    @property
    def line(self) -> str:
        return f"{self.method} {self.path}?{self.query} {self.sent.decode()} -> {self.status}"


@dataclass
class Recorder:
    """An ASGI application around another."""

    app: ASGIApp
    exchanges: list[Exchange] = field(default_factory=list)

    @property
    def of_stripe(self) -> list[Exchange]:
        """Without what only a stand-in has."""
        return [exchange for exchange in self.exchanges if exchange.path.startswith("/v1/")]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        exchange = Exchange(scope["method"], scope["path"], scope["query_string"].decode())

        async def received() -> Message:
            message = await receive()
            exchange.sent += message.get("body", b"")
            return message

        async def answered(message: Message) -> None:
            exchange.status = message.get("status", exchange.status)
            exchange.answered += message.get("body", b"")
            await send(message)

        await self.app(scope, received, answered)
        self.exchanges.append(exchange)
        return None
