"""Trimming the broker's streams behind every group: an entry goes only when each group has read and acknowledged it."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.exceptions import RedisError

TRIM_EVERY = 60.0
"""Seconds between two rounds."""

EntryId = tuple[int, int]
"""Milliseconds and sequence number, as Redis orders them."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """How far one group is: the last entry it was given, and the oldest that it has not acknowledged."""

    last_delivered: EntryId
    oldest_pending: EntryId | None

    @property
    def needs_from(self) -> EntryId:
        """The first entry that the group may still ask for."""
        milliseconds, sequence = self.last_delivered
        return self.oldest_pending or (milliseconds, sequence + 1)


def keep_from(groups: Sequence[Group]) -> EntryId | None:
    """The first entry that some group still needs; nothing without a group, because then everything is unread."""
    return min((group.needs_from for group in groups), default=None)


async def trim_all(broker: Redis) -> int:
    """Trim every stream; returns how many entries went."""
    removed = 0
    async for stream in broker.scan_iter(_type="stream"):
        groups = [await _group(broker, stream, info) for info in await broker.xinfo_groups(stream)]
        keep = keep_from(groups)
        if keep is not None:
            removed += await broker.xtrim(stream, minid=f"{keep[0]}-{keep[1]}", approximate=False)
    return removed


async def trim_for_ever(url: str, *, every: float = TRIM_EVERY) -> None:
    """Trim in rounds until cancelled. A broker that is away is asked again in the next round."""
    async with Redis.from_url(url, decode_responses=True) as broker:
        while True:
            await asyncio.sleep(every)
            try:
                removed = await trim_all(broker)
            except RedisError as error:
                _log.warning("the broker's streams were not trimmed: %s", error)
            else:
                _log.info("trimmed %d entries", removed)


async def _group(broker: Redis, stream: str, info: dict[str, str]) -> Group:
    pending = await broker.xpending(stream, info["name"])
    return Group(
        last_delivered=_parsed(info["last-delivered-id"]),
        oldest_pending=_parsed(pending["min"]) if pending["pending"] else None,
    )


def _parsed(entry: str) -> EntryId:
    milliseconds, _, sequence = entry.partition("-")
    return int(milliseconds), int(sequence)
