"""How a good client asks a shop that may be falling apart: with one key, again and again, until it knows.

Every attempt is one operation of the history. What a time-out, a reset or a server error hides is unknown (`info`), so
the same request is sent again with the same key; a refusal that the business demands ends the matter.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus

from services.local.chaos.history import History, Json, Operation, Outcome
from services.local.customer.client import Reply, Unreachable

ATTEMPT_SECONDS = 15.0
"""How long a client waits for one answer; the gateway itself gives up after 12 s."""

NONSENSE = "an answer that makes no sense"
"""The error of an operation whose answer could not be read."""

_LONGEST_PAUSE = 8.0

Ask = Callable[[], Awaitable[Reply]]
Read = Callable[[Reply], Json]


class Next(Enum):
    """What a client does about an answer."""

    REST = auto()
    REPEAT = auto()
    LOGIN = auto()


@dataclass(frozen=True, kw_only=True)
class Question:
    """One thing that a client wants: who asks, what it is in the history, how it is sent, what an answer tells."""

    process: str
    function: str
    value: Json
    ask: Ask
    read: Read


@dataclass(frozen=True, kw_only=True)
class Asking:
    """The manners of all clients of a run."""

    history: History
    patience: float = 60.0
    """Seconds after which a client gives a question up."""
    attempt_seconds: float = ATTEMPT_SECONDS
    first_pause: float = 0.3
    """Seconds before the first repetition; they double."""

    async def settle(self, question: Question, *, login: Callable[[], Awaitable[None]]) -> Reply | None:
        """Ask until there is an answer that settles the question; nothing when the patience ends before.

        :param login: what to do when the token is no longer good.
        """
        until, pause = time.monotonic() + self.patience, self.first_pause
        while True:
            reply, then = await self._once(question)
            if then is Next.REST or time.monotonic() > until:
                return reply
            if then is Next.LOGIN:
                await login()
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _once(self, question: Question) -> tuple[Reply | None, Next]:
        operation = self.history.invoke(question.process, question.function, question.value)
        try:
            async with asyncio.timeout(self.attempt_seconds):
                reply = await question.ask()
        except (Unreachable, TimeoutError) as error:
            operation.ends(Outcome.INFO, error=str(error) or "no answer in time")
            return None, Next.REPEAT
        return reply, recorded(operation, reply, question.read)


def recorded(operation: Operation, reply: Reply, read: Read) -> Next:
    """Write what an answer means for its operation, and say what a good client does next."""
    if reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        operation.ends(Outcome.INFO, error=reply.problem, status=reply.status)
        return Next.REPEAT
    try:
        told: Json = read(reply) if reply.status < HTTPStatus.BAD_REQUEST else _problem(reply)
    except (ValueError, KeyError):
        operation.ends(Outcome.INFO, error=NONSENSE, status=reply.status, said=reply.content.decode(errors="replace"))
        return Next.REPEAT
    if reply.status < HTTPStatus.BAD_REQUEST:
        operation.ends(Outcome.OK, **told)
        return Next.REPEAT if told.get("status") == "pending" and reply.status == HTTPStatus.ACCEPTED else Next.REST
    return _refused(operation, reply.status, told)


def _problem(reply: Reply) -> Json:
    problem = reply.body
    return {"error": problem["type"]} | {name: problem[name] for name in ("decline_code", "detail") if name in problem}


def _refused(operation: Operation, status: int, told: Json) -> Next:
    if told["error"] == "request-in-progress":  # another request with this key may yet succeed
        operation.ends(Outcome.INFO, **told, status=status)
        return Next.REPEAT
    operation.ends(Outcome.FAIL, **told, status=status)
    if status == HTTPStatus.UNAUTHORIZED:
        return Next.LOGIN
    later = told["error"] == "payment-in-progress" or status == HTTPStatus.TOO_MANY_REQUESTS
    return Next.REPEAT if later else Next.REST
