"""Turns at a service: how many calls it is given at once, who waits for a turn, and who is sent away.

A service that is given more than it can do does all of it late, and what is late is asked for again. So each service
has a limit that follows what its answers take: one more after a round of answers in good time, a fifth fewer when they
come late (additive increase, multiplicative decrease, as TCP has it: Chiu and Jain, 1989). A service that hangs fills
its own limit and nobody else's. What browses counts as late in half the time of what sells, so it yields first where
both need the same processors.
"""

import asyncio
import math
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager

from services.gateway.routes import Route
from services.shared.errors import Unavailable

SELLING_SECONDS = 0.8
BROWSING_SECONDS = 0.4
"""What an answer takes on average before there is too much to do: of orders and payments, and of anything else."""

LEAST = 16
"""Calls that a service is always given at once, however late its answers are."""

FIRST = 32
"""Calls that a service is given at once before anything is known of it."""

_FEWER = 0.8
_SMOOTHING = 0.05
_MOST_LATE = 8
_WORTH_WAITING = 0.5
_LONGEST_WAIT = 1.0
_LONGEST_RETRY = 4

_SELLING = frozenset({"order", "payment"})
_ORDINARY_SECONDS = 12.0

Monotonic = Callable[[], float]


class Overloaded(Unavailable):
    """More requests arrive than can be served at the moment; try again."""

    def __init__(self) -> None:
        """Those who are sent away together are told different times, so that they do not come back together."""
        super().__init__(headers={"Retry-After": str(random.randint(1, _LONGEST_RETRY))})  # noqa: S311 - jitter


class Turns:
    """The calls to one service. Nothing here costs more than some additions while there is room."""

    def __init__(
        self,
        *,
        late: float,
        most: int,
        first: int = FIRST,
        longest: float = _LONGEST_WAIT,
        clock: Monotonic = time.monotonic,
    ) -> None:
        """Prepare.

        :param late: seconds that answers take on average when the service has too much to do.
        :param most: calls that it is given at once at most, and `first` as many as it is given to begin with.
        :param longest: seconds that anybody waits at most.
        """
        self._late = late
        self._most = most
        self._limit = float(min(first, most))
        self._longest, self._clock = longest, clock
        self._running = 0
        self._coming = 0
        self._usual = 0.0
        self._lowered_at = -math.inf
        self._waiting: deque[asyncio.Future[None]] = deque()

    @property
    def limit(self) -> int:
        """How many calls the service is given at once."""
        return int(self._limit)

    @property
    def is_hopeless(self) -> bool:
        """Whether whoever came now would wait too long: those before them, times what each of them keeps a turn."""
        before = self._running + self._coming + len(self._waiting) - self.limit
        return before >= 0 and before * self._usual > _WORTH_WAITING * self._limit

    @property
    def _has_room(self) -> bool:
        return self._running < self.limit

    @contextmanager
    def coming(self) -> Iterator[None]:
        """Whoever is going to take a turn counts among those who wait: many may come before the first of them does."""
        self._coming += 1
        try:
            yield
        finally:
            self._coming -= 1

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """A turn while the block runs; who came first has it first.

        :raises Overloaded: there was none in time.
        """
        if self._has_room:
            self._running += 1
        else:
            await self._wait()
        began = self._clock()
        try:
            yield
        finally:
            self._learn(began)
            self._leave()

    async def _wait(self) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        giving_up = asyncio.get_running_loop().call_later(self._longest, self._send_away, turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled() and turn.exception() is None:  # it was given at the same moment
                self._leave()
            raise
        finally:
            giving_up.cancel()

    def _send_away(self, turn: asyncio.Future[None]) -> None:
        if not turn.done():
            self._waiting.remove(turn)
            turn.set_exception(Overloaded())

    def _leave(self) -> None:
        self._running -= 1
        while self._waiting and self._has_room:
            turn = self._waiting.popleft()
            if not turn.done():  # its waiter was not cancelled meanwhile
                self._running += 1
                turn.set_result(None)

    def _learn(self, began: float) -> None:
        """Follow what answers take; a single one that hangs says little, so there is a most that it counts for."""
        now = self._clock()
        self._usual += _SMOOTHING * (min(now - began, _MOST_LATE * self._late) - self._usual)
        if self._usual <= self._late:
            if 2 * self._running >= self._limit:  # a limit that nobody comes near to is not known to be too low
                self._limit = min(self._limit + 1 / self._limit, float(self._most))
        elif began >= self._lowered_at:  # an answer of before tells nothing about the limit as it is now
            self._limit = max(self._limit * _FEWER, float(min(LEAST, self._most)))
            self._lowered_at = now


class Limits:
    """The turns at every service."""

    def __init__(self, routes: Iterable[Route], *, most: int) -> None:
        """Prepare; `most` calls are on their way to a service at the same time at most."""
        self._of = {
            app_id: Turns(late=SELLING_SECONDS if app_id in _SELLING else BROWSING_SECONDS, most=most)
            for app_id in {route.app_id for route in routes}
        }
        self._patient = Turns(late=math.inf, most=most, first=most)

    def of(self, route: Route) -> Turns:
        """The turns that a call of this route takes its own from.

        What waits for the provider or works through a file takes long by nature, which tells nothing about the load.
        """
        return self._patient if route.seconds > _ORDINARY_SECONDS else self._of[route.app_id]
