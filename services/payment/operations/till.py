"""What operations that call out work with."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from services.payment.clients.provider import OutcomeUnknown, Provider
from services.payment.settings import CALL_SECONDS
from services.shared.database import Database
from services.shared.errors import Unavailable
from services.shared.idempotency import RequestInProgress
from services.shared.runtime import Clock
from services.shared.sidecar import Sidecar

Answer = TypeVar("Answer")

WAIT_SECONDS = 5.0
_PAUSE_SECONDS = 0.1


class ProviderAway(Unavailable):
    """The payment provider does not answer for the moment; try again."""


@dataclass(frozen=True, kw_only=True)
class Till:
    """The database, the provider and the way to other services; how many seconds a request gives the provider.

    Asking others takes its time: what is recorded afterwards bears the time that `clock` tells then.
    """

    database: Database
    provider: Provider
    sidecar: Sidecar
    clock: Clock
    webhook_secret: str
    call_seconds: float = CALL_SECONDS
    wait_seconds: float = WAIT_SECONDS

    def deadline(self) -> float:
        """When a request that begins now stops waiting for the provider, on the loop's clock."""
        return asyncio.get_running_loop().time() + self.call_seconds

    async def settled(self, look: Callable[[], Awaitable[tuple[bool, Answer]]]) -> Answer:
        """What `look` finds once it is no longer running in another request.

        :raises RequestInProgress: that is still running after five seconds.
        """
        deadline = asyncio.get_running_loop().time() + self.wait_seconds
        while True:
            is_running, found = await look()
            if not is_running:
                return found
            if asyncio.get_running_loop().time() >= deadline:
                raise RequestInProgress
            await asyncio.sleep(_PAUSE_SECONDS)


async def until(deadline: float, call: Awaitable[Answer]) -> Answer:
    """The provider's answer, if it comes before the deadline.

    :raises OutcomeUnknown: it does not.
    """
    try:
        async with asyncio.timeout_at(deadline):
            return await call
    except TimeoutError as error:
        raise OutcomeUnknown from error
