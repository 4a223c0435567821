"""The gateway, wired."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from fastapi import FastAPI
from starlette.middleware import Middleware

from services.gateway import listener, pages, rates, readiness
from services.gateway.door import ApiDoor
from services.gateway.hygiene import Hygiene
from services.gateway.openapi import Description
from services.gateway.settings import GatewaySettings
from services.shared import errors, identity, service, telemetry
from services.shared.runtime import Start, runtime_of


def create(start: Start, settings: GatewaySettings) -> FastAPI:
    """The application, not yet running. It is public, so it demands no sidecar's token."""

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            runtime = await stack.enter_async_context(start())
            factor = settings.sidecart_rate_limit_factor
            runtime.add(await stack.enter_async_context(rates.opened(runtime.secrets["redis-url"], factor=factor)))
            runtime.add(await stack.enter_async_context(readiness.opened(runtime)))
            runtime.add(Description(runtime.sidecar, app.openapi()))
            app.state.runtime = runtime
            yield

    app = FastAPI(
        title="Sidecart gateway",
        lifespan=life,
        openapi_url=None,
        redirect_slashes=False,
        middleware=[
            Middleware(telemetry.Telemetry),
            Middleware(Hygiene),
            Middleware(ApiDoor, most_in_flight=settings.sidecart_most_in_flight),
        ],
    )
    errors.install(app)
    app.include_router(pages.router)
    identity.demand_declared(app)
    return app


def main() -> None:
    """Serve until stopped."""
    settings = GatewaySettings()
    start = runtime_of("gateway", settings, stores=False)
    service.run(create(start, settings), settings, "gateway", **listener.server_options(settings))


if __name__ == "__main__":
    main()
