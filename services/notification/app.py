"""The notification service: the inbox over HTTP, events, and the sender."""

from fastapi import FastAPI

from services.notification import api, subscriptions
from services.notification.operations.sending import Sender, empty_old_letters
from services.shared import service
from services.shared.runtime import Start, runtime_of
from services.shared.settings import Settings
from services.shared.timers import Timer


def create(start: Start, settings: Settings) -> FastAPI:
    """The service, not yet started."""
    return service.create_app(
        "notification",
        start=start,
        settings=settings,
        routers=[api.router],
        events=subscriptions.door,
        timers=[
            Timer(name="sender", seconds=0.25, step=Sender().step),
            Timer(name="old-letters", seconds=3600, step=empty_old_letters),
        ],
    )


def main() -> None:
    """Serve until SIGTERM."""
    settings = Settings()
    service.run(create(runtime_of("notification", settings), settings), settings, "notification")


if __name__ == "__main__":
    main()
