"""Trimming the broker's streams behind every group: an entry goes only when each group has read and acknowledged it.

A group is made by its reader's sidecar, so it may be missing: at the first start, and after the broker has lost
everything until that sidecar has noticed. A stream is trimmed only when all who read it have their groups.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import yaml
from redis.asyncio import Redis
from redis.exceptions import RedisError

from services.local.topology import ROOT

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


def readers() -> Mapping[str, frozenset[str]]:
    """Who reads each stream, as the components' subscription scopes say; a reader's group has its application's id."""
    found: dict[str, frozenset[str]] = {}
    for component in ("events", "dead-letters"):
        written = yaml.safe_load((ROOT / "components" / "embedded" / f"{component}.yaml").read_text())
        scopes = next(one["value"] for one in written["spec"]["metadata"] if one["name"] == "subscriptionScopes")
        for scope in scopes.split(";"):
            app_id, _, topics = scope.strip().partition("=")
            for topic in filter(None, topics.split(",")):
                found[topic] = found.get(topic, frozenset()) | {app_id}
    return found


async def trim_all(broker: Redis, expected: Mapping[str, frozenset[str]]) -> int:
    """Trim every stream whose expected groups are all there; returns how many entries went."""
    removed = 0
    async for stream in broker.scan_iter(_type="stream"):
        known = await broker.xinfo_groups(stream)
        if not expected.get(stream, frozenset()) <= {info["name"] for info in known}:
            continue
        keep = keep_from([await _group(broker, stream, info) for info in known])
        if keep is not None:
            removed += await broker.xtrim(stream, minid=f"{keep[0]}-{keep[1]}", approximate=False)
    return removed


async def trim_for_ever(url: str, *, every: float = TRIM_EVERY) -> None:
    """Trim in rounds until cancelled. A broker that is away is asked again in the next round."""
    expected = readers()
    async with Redis.from_url(url, decode_responses=True) as broker:
        while True:
            await asyncio.sleep(every)
            try:
                removed = await trim_all(broker, expected)
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
