"""Connections that can be cut in the middle of a request, as a network does."""

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_CUT = "stand-in.cut"


class CuttableProtocol(HttpToolsProtocol):
    """uvicorn's protocol; it hands the application the means to reset the connection."""

    def on_message_begin(self) -> None:
        """Begin a request, with the transport's abort among the extensions of its scope."""
        super().on_message_begin()
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]
        scope["extensions"] = {_CUT: self.transport.abort}


async def cut(request: Request) -> Response:
    """Reset the connection; the response that is returned reaches nobody."""
    request.scope["extensions"][_CUT]()
    while (await request.receive())["type"] != "http.disconnect":
        continue
    return Response()
