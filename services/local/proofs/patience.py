"""A good client of a shop whose processes die: it asks again, with the same key, until it knows."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from services.local.customer.client import Api, Reply, Unreachable
from services.local.refusals import Refusal

PATIENCE = 60.0
"""Seconds after which a client gives up."""

_ATTEMPT_SECONDS = 15.0
_PAUSE = 0.1
_LATER = frozenset({"request-in-progress", "payment-in-progress"})


class GaveUp(Refusal):
    """The shop has not answered for too long, or answered what it must not."""


@dataclass(frozen=True, kw_only=True)
class Patient:
    """Somebody who asks until there is an answer."""

    api: Api
    seconds: float = PATIENCE

    async def ask(
        self,
        method: str,
        path: str,
        *good: HTTPStatus,
        json: object | None = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> Reply:
        """Send a request until its answer has one of the good statuses.

        :raises GaveUp: another answer came that asking again does not change, or none within the time.
        """
        until, told = time.monotonic() + self.seconds, "nothing"
        while time.monotonic() < until:
            try:
                async with asyncio.timeout(_ATTEMPT_SECONDS):
                    reply = await self.api.call(method, path, json=json, data=data, headers=headers, key=key)
            except (Unreachable, TimeoutError) as error:
                told = str(error) or "no answer in time"
            else:
                if reply.status in good:
                    return reply
                told = f"{reply.status} {reply.problem}"
                if not _may_change(reply):
                    break
            await asyncio.sleep(_PAUSE)
        raise GaveUp(f"{method} {path} was answered: {told}")


def _may_change(reply: Reply) -> bool:
    if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR or reply.status == HTTPStatus.TOO_MANY_REQUESTS:
        return True
    return reply.status == HTTPStatus.CONFLICT and reply.body.get("type") in _LATER
