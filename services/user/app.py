"""The user service, wired."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from services.shared import service
from services.shared.identity import KeyRing
from services.shared.runtime import Runtime, Start, runtime_of
from services.shared.settings import Settings
from services.shared.timers import Timer
from services.user.api import accounts as accounts_api
from services.user.api import logins as logins_api
from services.user.operations import accounts, logins
from services.user.passwords import Passwords
from services.user.tokens import Signer


def create(start: Start, settings: Settings) -> FastAPI:
    """The application, not yet running."""
    return service.create_app(
        "user",
        start=start,
        settings=settings,
        routers=[accounts_api.router, logins_api.router],
        timers=[Timer(name="forget-old-logins", seconds=600, step=logins.forget_old)],
        lifespan=keys_and_passwords,
    )


@asynccontextmanager
async def keys_and_passwords(runtime: Runtime) -> AsyncIterator[None]:
    """The signing key, the hashing threads and the operator's account; tokens are verified with the own key."""
    signer, passwords = Signer(runtime.secrets["jwt-private-key"]), Passwords()
    runtime.keys = KeyRing(signer.fetch)
    runtime.add(signer)
    runtime.add(passwords)
    try:
        password = runtime.secrets["operator-password"]
        await accounts.ensure_operator(runtime.database, passwords, password=password, at=runtime.clock())
        yield
    finally:
        passwords.close()


def main() -> None:
    """Serve until stopped."""
    settings = Settings()
    service.run(create(runtime_of("user", settings), settings), settings, "user")


if __name__ == "__main__":
    main()
