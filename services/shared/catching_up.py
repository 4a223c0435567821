"""Catching up: what the broker has lost on its way is noticed by whoever should have heard it, and told again.

A broker may lose what it has accepted, and a sidecar may acknowledge what nobody has handled. In Dapr 1.18.1 it does:
all calls to an application share one chain of handlers (`pkg/middleware/http/pipeline.go`), so a call that fails just
when another begins may leave its error with that one and end as a success without a body, which counts as handled.

So every consumer asks each producer for the names of the facts that were published a minute ago. Those that are not in
its inbox, nor parked, are published once more; being published anew they are looked for again, until they have come.
In every other case this costs an index scan on either side.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import text

from services.contracts.answers import FactsAgain, FactsAsked, FactsMissed, PublishedFacts
from services.contracts.events import Topic
from services.shared import facts, inbox, telemetry
from services.shared.failpoints import failpoint
from services.shared.pubsub import EventDoor
from services.shared.runtime import Runtime
from services.shared.sidecar import SidecarAway
from services.shared.timers import Timer

MOST_AGAIN = 50
"""So many facts of a topic are asked for again at once: a reader that is only late is not given much more to do."""

_KEPT_FOR = timedelta(hours=1)
_LOOKS_EVERY = 2.0
"""Seconds between two looks at whether a topic is due."""

_POSITION = text("SELECT position FROM caught_up WHERE topic = :topic")
_KEEP = text("""
INSERT INTO caught_up (topic, position) VALUES (:topic, :position)
ON CONFLICT (topic) DO UPDATE SET position = excluded.position WHERE caught_up.position = :read
""")

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class _Reached:
    """What the database kept of a topic, since when, and how far this process has looked from there."""

    kept: str | None
    kept_at: datetime
    position: str


class CatchUp:
    """How far a process has looked, topic by topic.

    The database keeps a position when there was something before it, and every hour: whoever starts anew looks at some
    facts once more, which does no harm, and nothing is written while nothing happens. What the database says wins when
    it is not what this process knows: another replica has gone on, or an earlier state was restored.
    """

    def __init__(self, door: EventDoor, *, every: timedelta) -> None:
        """Look after what this door handles, each topic so often."""
        self._door, self._every = door, every
        self._reached: dict[Topic, _Reached] = {}
        self._next = dict.fromkeys(door.topics, datetime.min.replace(tzinfo=UTC))

    async def step(self, runtime: Runtime) -> bool:
        """Look after a topic that is due; answers whether there was one."""
        now = runtime.clock()
        topic = min(self._next, key=lambda topic: self._next[topic], default=None)
        if topic is None or self._next[topic] > now:
            return False
        self._next[topic] = now + self._every
        try:
            is_behind = await self._look_after(runtime, topic)
        except SidecarAway:
            log.info("facts.producer_is_away", topic=topic)
            return True
        if is_behind:
            self._next[topic] = now
        return True

    async def _look_after(self, runtime: Runtime, topic: Topic) -> bool:
        """Whether there is more to look at, at once."""
        now, kept, known = runtime.clock(), await _position(runtime, topic), self._reached.get(topic)
        begun = known.position if known is not None and known.kept == kept else kept
        types = sorted(event.TYPE for event in self._door.handled if topic == event.TOPIC)
        page = await _published(runtime, FactsAsked(topic=topic, types=types, position=begun))
        missed = await self._missed(runtime, page)
        if missed:
            await _again(runtime, FactsMissed(topic=topic, event_ids=missed[:MOST_AGAIN]))
        failpoint("catching_up.looked.before_position")
        if len(missed) > MOST_AGAIN:
            return False
        is_old = known is None or now - known.kept_at >= _KEPT_FOR
        if page.facts or is_old:
            async with runtime.database.begin() as session:
                await session.execute(_KEEP, {"topic": topic, "position": page.position, "read": kept})
            self._reached[topic] = _Reached(kept=page.position, kept_at=now, position=page.position)
        elif known is not None:
            self._reached[topic] = replace(known, kept=kept, position=page.position)
        return page.more and not missed

    async def _missed(self, runtime: Runtime, page: PublishedFacts) -> list[UUID]:
        told = [(consumer, fact.event_id) for fact in page.facts for consumer in self._door.consumers(fact.type)]
        if not told:
            return []
        async with runtime.database.read() as session:
            return await inbox.unseen(session, told)


def timer(door: EventDoor, *, seconds: float) -> Timer:
    """Look after each topic of a door so often."""
    step = CatchUp(door, every=timedelta(seconds=seconds)).step
    return Timer(name="catch-up", seconds=min(seconds, _LOOKS_EVERY), step=step)


async def _position(runtime: Runtime, topic: Topic) -> str | None:
    async with runtime.database.read() as session:
        position: str | None = await session.scalar(_POSITION, {"topic": topic})
    return position


async def _published(runtime: Runtime, asked: FactsAsked) -> PublishedFacts:
    producer = asked.topic.producer
    if producer == runtime.app_id:
        return await facts.published(runtime.database, asked)
    return await runtime.sidecar.call(producer, "POST", "/internal/facts", PublishedFacts, body=asked)


async def _again(runtime: Runtime, missed: FactsMissed) -> None:
    producer = missed.topic.producer
    log.warning("facts.never_came", topic=missed.topic, number=len(missed.event_ids), first=str(missed.event_ids[0]))
    telemetry.MISSED.labels(missed.topic).inc(len(missed.event_ids))
    if producer == runtime.app_id:
        await facts.publish_again(runtime.database, missed)
    else:
        await runtime.sidecar.call(producer, "POST", "/internal/facts/again", FactsAgain, body=missed)
