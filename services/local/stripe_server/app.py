"""Wire the stand-in and serve it."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.requests import Request

from services.local.stripe_server import api, control, timeline, webhook_control, worker
from services.local.stripe_server.calls import Server
from services.local.stripe_server.clock import VirtualClock
from services.local.stripe_server.connections import CuttableProtocol
from services.local.stripe_server.records import Records
from services.local.stripe_server.refusals import Refusal
from services.local.stripe_server.settings import Settings


def create_app(settings: Settings) -> FastAPI:
    """The application; its database is open and its worker runs for as long as it lives."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        records = Records(settings.state)
        app.state.server = Server(settings=settings, records=records, clock=VirtualClock(records))
        app.state.server.act(timeline.begin)
        working = asyncio.create_task(worker.work(app.state.server))
        working.add_done_callback(stop_when_broken)
        yield
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
        records.close()

    app = FastAPI(title="Stripe stand-in", lifespan=lifespan, openapi_url=None)
    app.include_router(control.router)
    app.include_router(webhook_control.router)
    app.include_router(api.router)
    app.exception_handler(Refusal)(_refuse)
    return app


def stop_when_broken(working: asyncio.Task[None]) -> None:
    """End the process with its worker: without one, events would be owed for ever and nobody would notice."""
    if not working.cancelled():
        sys.exit(f"the worker of the Stripe stand-in has stopped: {working.exception()!r}")


async def _refuse(_request: Request, refusal: Refusal) -> JSONResponse:
    return JSONResponse(refusal.body, refusal.status)


def serve(settings: Settings) -> None:
    """Listen on loopback until told to stop."""
    uvicorn.run(
        create_app(settings),
        host="127.0.0.1",
        port=settings.port,
        http=CuttableProtocol,
        loop="uvloop",
        access_log=False,
        log_level="warning",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
    )
