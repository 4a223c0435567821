"""The public listener: request heads have a size and a deadline, which the server itself does not give them."""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from services.gateway.settings import GatewaySettings

HEAD_SECONDS = 10.0
LARGEST_HEAD = 64 * 1024
_MOST_CONNECTIONS = 4096
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: application/problem+json\r\ncontent-length: 127\r\nconnection: close\r\n\r\n"
    b'{"type":"headers-too-large","title":"Request Header Fields Too Large","status":431,'
    b'"detail":"The request\'s head is too large."}'
)


class PublicProtocol(HttpToolsProtocol):
    """Ends a connection whose request head is not complete in time, or grows without end.

    Between requests the server's own keep-alive time-out rules, for the body `read_whole` does.
    """

    head_seconds = HEAD_SECONDS
    _deadline: asyncio.TimerHandle | None = None
    _is_in_head = True
    _head_size = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A connection owes its first head."""
        super().connection_made(transport)  # type: ignore[arg-type]  # uvicorn narrows it
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is awaited any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what came of a head that is still not complete."""
        super().data_received(data)
        if self._is_in_head:
            self._head_size += len(data)
            if self._head_size > LARGEST_HEAD and not self.transport.is_closing():
                self.transport.write(_TOO_LARGE)
                self.transport.close()

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._await_head()

    def on_headers_complete(self) -> None:
        """The head is complete."""
        self._stop_waiting()
        self._is_in_head = False
        super().on_headers_complete()

    def _await_head(self) -> None:
        self._stop_waiting()
        self._is_in_head, self._head_size = True, 0
        self._deadline = self.loop.call_later(self.head_seconds, self.transport.close)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def server_options(settings: GatewaySettings) -> dict[str, Any]:
    """How uvicorn serves the public: forwarded addresses are believed only of proxies that are named."""
    return {
        "http": PublicProtocol,
        "ws": "none",
        "limit_concurrency": _MOST_CONNECTIONS,
        "proxy_headers": bool(settings.sidecart_trusted_proxies),
        "forwarded_allow_ips": settings.sidecart_trusted_proxies,
    }
