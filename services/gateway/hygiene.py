"""Headers that tell browsers to be careful, on every answer."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-site",
}
_UNLESS_SAID = {"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"}
_HTTPS_ONLY = "max-age=31536000"


class Hygiene:
    """ASGI middleware that adds the headers; an answer may bring its own security and caching policy."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""

        async def careful(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add(MutableHeaders(scope=message), scope["scheme"])
            await send(message)

        await self._app(scope, receive, careful if scope["type"] == "http" else send)


def _add(headers: MutableHeaders, scheme: str) -> None:
    headers.update(_ALWAYS)
    for name, value in _UNLESS_SAID.items():
        headers.setdefault(name, value)
    headers.setdefault("Cache-Control", "no-cache" if "etag" in headers else "no-store")
    if scheme == "https":
        headers["Strict-Transport-Security"] = _HTTPS_ONLY
