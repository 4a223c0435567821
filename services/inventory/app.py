"""The inventory service: gRPC methods, events from orders and products, the asker and the follower."""

from services.inventory import subscriptions
from services.inventory.grpc import inventory
from services.inventory.operations.asking import ask_about_one
from services.inventory.operations.following import follow_one
from services.shared import grpc_app
from services.shared.grpc_app import GrpcApp
from services.shared.runtime import Runtime, Start, runtime_of
from services.shared.settings import Settings
from services.shared.timers import Timer


async def _ask(runtime: Runtime) -> bool:
    return await ask_about_one(runtime.database, runtime.sidecar, now=runtime.clock())


async def _follow(runtime: Runtime) -> bool:
    return await follow_one(runtime.database, runtime.sidecar, now=runtime.clock())


def create(start: Start, settings: Settings) -> GrpcApp:
    """The service, not yet started."""
    return GrpcApp(
        app_id="inventory",
        start=start,
        settings=settings,
        services=[inventory],
        events=subscriptions.door,
        timers=[Timer(name="asker", seconds=1, step=_ask), Timer(name="follower", seconds=5, step=_follow)],
    )


def main() -> None:
    """Serve until SIGTERM."""
    settings = Settings()
    grpc_app.run(create(runtime_of("inventory", settings), settings))


if __name__ == "__main__":
    main()
