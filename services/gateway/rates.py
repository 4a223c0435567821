"""Rate limits: counters in Redis that every replica shares, counters of the process while Redis is away."""

import ipaddress
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import structlog
from limits import RateLimitItemPerMinute
from limits.aio.storage import MemoryStorage, RedisStorage
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from services.gateway.routes import Counted, Route
from services.shared.errors import Refusal
from services.shared.identity import Principal

ADDRESS = RateLimitItemPerMinute(1200, namespace="address")
CUSTOMER = RateLimitItemPerMinute(1200, namespace="customer")
STAFF = RateLimitItemPerMinute(6000, namespace="staff")
REGISTRATION = RateLimitItemPerMinute(300, namespace="registration")
FAILED_LOGIN = RateLimitItemPerMinute(200, namespace="failed-login")
WEBHOOK = RateLimitItemPerMinute(6000, namespace="webhook")

_ANSWER_SECONDS = 0.25
_REST_SECONDS = 1.0
_MOST_REMEMBERED = 20_000

log = structlog.get_logger()


class TooManyRequests(Refusal):
    """Too many requests; wait a moment."""

    status = 429


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How a caller stands against a limit after this request; `reset` in seconds."""

    limit: int
    used: int
    reset: int

    @property
    def headers(self) -> dict[str, str]:
        """The fields that every answer carries."""
        remaining = max(0, self.limit - self.used)
        fields = {"Limit": self.limit, "Remaining": remaining, "Reset": self.reset}
        return {f"RateLimit-{name}": str(value) for name, value in fields.items()}

    @property
    def refusal(self) -> TooManyRequests | None:
        """What to answer when this request was one too many."""
        return self._refusal_when(self.used > self.limit)

    @property
    def refusal_of_more(self) -> TooManyRequests | None:
        """What to answer when the next one would be."""
        return self._refusal_when(self.used >= self.limit)

    def _refusal_when(self, over: bool) -> TooManyRequests | None:  # noqa: FBT001 - a condition
        return TooManyRequests(headers={"Retry-After": str(self.reset)}) if over else None


def item_of(route: Route | None, principal: Principal | None) -> RateLimitItemPerMinute:
    """The limit that a request counts against; None for a route that does not exist."""
    if route is not None and route.counted is Counted.REGISTRATION:
        return REGISTRATION
    if route is not None and route.counted is Counted.WEBHOOK:
        return WEBHOOK
    if principal is None:
        return ADDRESS
    return STAFF if principal.is_staff else CUSTOMER


def key_of(item: RateLimitItemPerMinute, principal: Principal | None, address: str) -> str:
    """Whose counter it is."""
    return str(principal.id) if principal is not None and item in {CUSTOMER, STAFF} else network(address)


@lru_cache(maxsize=4096)
def network(address: str) -> str:
    """The address that counts: of an IPv6 address its /64, because a household has all of those."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else address  # noqa: PLR2004 - IPv6


class Rates:
    """Counts. A window begins with its first request; counting costs one round trip to Redis.

    When a window ends is asked once per window and then remembered. While Redis is away, the process counts for
    itself, and requests keep flowing.
    """

    def __init__(
        self,
        url: str,
        *,
        factor: float = 1.0,
        rest_seconds: float = _REST_SECONDS,
        most_remembered: int = _MOST_REMEMBERED,
    ) -> None:
        """Prepare; nothing is opened until it is used.

        :param url: `redis://:password@host:port/database`.
        :param factor: multiplies every limit.
        :param rest_seconds: how long Redis is left alone after it was away.
        :param most_remembered: how many windows' ends are remembered.
        """
        self._pool = ConnectionPool.from_url(
            url, socket_timeout=_ANSWER_SECONDS, socket_connect_timeout=_ANSWER_SECONDS, retry=Retry(NoBackoff(), 1)
        )
        pool: Any = self._pool  # limits names only plain values as options
        self._redis = RedisStorage(f"async+{url}", implementation="redispy", key_prefix="rates", connection_pool=pool)
        self._memory = MemoryStorage()
        self._factor = factor
        self._rest_seconds = rest_seconds
        self._most_remembered = most_remembered
        self._ends: dict[str, float] = {}
        self._away_until = float("-inf")
        self._is_away = False

    async def close(self) -> None:
        """Close every connection."""
        await self._pool.aclose()

    async def count(self, item: RateLimitItemPerMinute, key: str) -> Standing:
        """Count one request."""
        return await self._standing(item, item.key_for(key), amount=1)

    async def look(self, item: RateLimitItemPerMinute, key: str) -> Standing:
        """How a caller stands, without counting."""
        return await self._standing(item, item.key_for(key), amount=0)

    async def count_here(self, item: RateLimitItemPerMinute, key: str) -> Standing:
        """Count one request in this process alone, apart from those that Redis counts: it costs no round trip."""
        return await self._from(self._memory, item, item.key_for("here", key), amount=1)

    async def is_ready(self) -> bool:
        """Whether Redis answers."""
        return await self._redis.check()

    async def _standing(self, item: RateLimitItemPerMinute, key: str, *, amount: int) -> Standing:
        if time.monotonic() >= self._away_until:
            try:
                standing = await self._from(self._redis, item, key, amount)
            except (RedisError, OSError) as error:
                self._note_away(error)
            else:
                self._is_away = False
                return standing
        return await self._from(self._memory, item, key, amount)

    async def _from(
        self, storage: RedisStorage | MemoryStorage, item: RateLimitItemPerMinute, key: str, amount: int
    ) -> Standing:
        used = await storage.incr(key, item.get_expiry(), amount) if amount else await storage.get(key)
        end = self._ends.get(key, 0.0)
        if used <= amount:
            end = self._remember(key, time.time() + item.get_expiry())
        elif end <= time.time():
            end = self._remember(key, await storage.get_expiry(key))
        reset = max(1, math.ceil(end - time.time()))
        return Standing(limit=max(1, round(item.amount * self._factor)), used=used, reset=reset)

    def _remember(self, key: str, end: float) -> float:
        if len(self._ends) >= self._most_remembered:
            self._ends.clear()
        self._ends[key] = end
        return end

    def _note_away(self, error: Exception) -> None:
        self._away_until = time.monotonic() + self._rest_seconds
        if not self._is_away:
            self._is_away = True
            log.warning("rates.redis_away", error=type(error).__name__)


@asynccontextmanager
async def opened(url: str, *, factor: float) -> AsyncIterator[Rates]:
    """Counters while the block runs."""
    rates = Rates(url, factor=factor)
    try:
        yield rates
    finally:
        await rates.close()
