"""The order service: `python -m services.order.app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from services.order import subscriptions
from services.order.api import carts, orders, peers
from services.order.clients import Inventory, OpenStock, open_grpc_stock
from services.order.operations.expiry import expire_one
from services.shared import service
from services.shared.runtime import Runtime, Start, runtime_of
from services.shared.settings import Settings
from services.shared.timers import Timer


def create(start: Start, settings: Settings, *, open_stock: OpenStock = open_grpc_stock) -> FastAPI:
    """Wire the service; `open_stock` is its wire to inventory."""

    @asynccontextmanager
    async def lifespan(runtime: Runtime) -> AsyncIterator[None]:
        async with open_stock(runtime) as stock:
            runtime.add(Inventory(stock))
            yield

    return service.create_app(
        "order",
        start=start,
        settings=settings,
        routers=[orders.router, carts.router, peers.router],
        events=subscriptions.door,
        timers=[Timer(name="expire", seconds=1, step=expire_one)],
        lifespan=lifespan,
    )


def main() -> None:
    """Serve until SIGTERM."""
    settings = Settings()
    service.run(create(runtime_of("order", settings), settings), settings, "order")


if __name__ == "__main__":
    main()
