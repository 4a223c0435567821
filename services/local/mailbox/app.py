"""Wire the mailbox and serve both of its doors."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import uvicorn
from fastapi import FastAPI, HTTPException, Response
from fastapi.responses import HTMLResponse

from services.local.mailbox import page, smtp
from services.local.mailbox.records import Records
from services.local.mailbox.settings import Settings

# What a letter may do when it is shown: be seen.
_SANDBOX = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def create_app(settings: Settings) -> FastAPI:
    """The application; it listens for mail for as long as it lives."""
    records = Records(settings.state)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        receiver = smtp.Receiver(records=records, clock=lambda: datetime.now(UTC), new_id=lambda: str(uuid4()))
        listening = await smtp.listen(receiver, port=settings.smtp_port)
        yield
        listening.close()
        await listening.wait_closed()
        records.close()

    app = FastAPI(title="Mailbox", lifespan=lifespan, openapi_url=None)
    _add_routes(app, records)
    return app


def _add_routes(app: FastAPI, records: Records) -> None:
    @app.get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/messages")
    async def messages(to: str | None = None) -> list[dict[str, Any]]:
        return records.all() if to is None else records.to(to)

    @app.get("/messages/{letter_id}/html")
    async def shown(letter_id: str) -> Response:
        letter = records.find(letter_id)
        if letter is None or letter["html"] is None:
            raise HTTPException(404)
        return HTMLResponse(letter["html"], headers={"Content-Security-Policy": _SANDBOX})

    @app.get("/")
    async def overview() -> Response:
        return HTMLResponse(page.render(records.all()))


def serve(settings: Settings) -> None:
    """Listen on loopback until told to stop."""
    uvicorn.run(
        create_app(settings),
        host="127.0.0.1",
        port=settings.http_port,
        loop="uvloop",
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=5,
    )
