"""The event door: which handler takes which event, and what the broker is told about it.

A handler is a plain function. `on` gives it a transaction with the inbox row in it; `project` gives it the documents,
which may be written twice: their row is written afterwards and only tells whoever catches up. What it answers to the
sidecar follows from how it ends, see `EventDoor.dispatch`.
"""

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import UUID

import structlog
from pydantic import ValidationError
from sqlalchemy.ext.asyncio import AsyncSession

from services.contracts.events import Event, Topic
from services.shared import inbox, telemetry
from services.shared.documents import Documents
from services.shared.errors import STORE_IS_AWAY, Refusal, TooEarly, Unavailable
from services.shared.failpoints import failpoint
from services.shared.runtime import Runtime

Effect = Callable[[AsyncSession, Any], Awaitable[None]]
Projection = Callable[[Documents, Any], Awaitable[None]]
BulkEffect = Callable[[AsyncSession, Sequence[Any]], Awaitable[None]]
BulkProjection = Callable[[Documents, Sequence[Any]], Awaitable[None]]

_HEADROOM = 100

log = structlog.get_logger()


def read_json(content: bytes, headroom: int = _HEADROOM) -> Any:  # noqa: ANN401 - any JSON
    """What a letter says, if it can also be written: that happens further down the stack, where less nesting is left.

    :raises ValueError: it is not JSON.
    :raises RecursionError: it is nested too deep.
    """
    return read_json(content, headroom - 1) if headroom else json.loads(content)


class Answer(StrEnum):
    """What the sidecar is told: done, deliver again, or give up (which sends it to the dead letters)."""

    SUCCESS = "SUCCESS"
    RETRY = "RETRY"
    DROP = "DROP"


class Outcome(StrEnum):
    """How an event ended here: as the sidecar is told, but for two.

    What a handler refused is done too; what found a store away is to come again, and so is whatever came with it.
    """

    SUCCESS = "SUCCESS"
    REFUSED = "REFUSED"
    AWAY = "AWAY"
    RETRY = "RETRY"
    DROP = "DROP"

    @property
    def answer(self) -> Answer:
        """What the sidecar is told of it."""
        return {Outcome.REFUSED: Answer.SUCCESS, Outcome.AWAY: Answer.RETRY}.get(self) or Answer(self)


@dataclass(frozen=True, kw_only=True)
class _Handlers:
    event: type[Event]
    effects: list[Effect] = field(default_factory=list)
    projections: list[Projection] = field(default_factory=list)
    bulk: list[BulkEffect] = field(default_factory=list)
    bulk_projections: list[BulkProjection] = field(default_factory=list)


class EventDoor:
    """A service's subscriptions, each beside its handler."""

    def __init__(self) -> None:
        """Without handlers yet."""
        self._handlers: dict[str, _Handlers] = {}

    def on(self, *types: type[Event]) -> Callable[[Effect], Effect]:
        """Handle events in a transaction of the service's database, once each."""
        return self._register(types, lambda found: found.effects)

    def project(self, *types: type[Event]) -> Callable[[Projection], Projection]:
        """Write documents from events; safe to repeat by nature."""
        return self._register(types, lambda found: found.projections)

    def in_bulk(self, *types: type[Event]) -> Callable[[BulkEffect], BulkEffect]:
        """Handle many events in one transaction, old ones too: the effect is guarded by the events' versions."""
        return self._register(types, lambda found: found.bulk)

    def project_in_bulk(self, *types: type[Event]) -> Callable[[BulkProjection], BulkProjection]:
        """Write documents from many events at once; safe to repeat by nature."""
        return self._register(types, lambda found: found.bulk_projections)

    def _register(self, types: Iterable[type[Event]], kind: Callable[[_Handlers], list[Any]]) -> Callable[[Any], Any]:
        def keep(handler: Any) -> Any:  # noqa: ANN401 - handlers of three shapes
            for event in types:
                kind(self._handlers.setdefault(event.TYPE, _Handlers(event=event))).append(handler)
            return handler

        return keep

    @property
    def handled(self) -> frozenset[type[Event]]:
        """Every event that has a handler here."""
        return frozenset(found.event for found in self._handlers.values())

    @property
    def topics(self) -> Sequence[Topic]:
        """The topics that this service subscribes to."""
        return sorted({found.event.TOPIC for found in self._handlers.values()})

    def consumers(self, kind: str) -> Sequence[str]:
        """Whose rows in the inbox tell that an event of this type was handled; what is shown has one for all of it."""
        found = self._handlers[kind]
        shown = [inbox.DOCUMENTS] if found.projections or found.bulk_projections else []
        return [effect.__name__ for effect in (*found.effects, *found.bulk)] + shown

    def is_bulk(self, topic: Topic) -> bool:
        """Whether a topic's events are delivered many at a time."""
        of_topic = (found for found in self._handlers.values() if topic == found.event.TOPIC)
        return any(found.bulk or found.bulk_projections for found in of_topic)

    async def dispatch(self, runtime: Runtime, letter: Mapping[str, Any]) -> Answer:
        """Take one CloudEvent.

        Applied, handled before, or not for this service: SUCCESS. Its predecessor is missing, a store is away, or we
        have a bug: RETRY. Not acceptable any more: SUCCESS, its owner compensates; it is logged as an error and counted
        as refused. Cannot be parsed: DROP.
        """
        outcome = await self._end(runtime, [letter])
        telemetry.EVENTS.labels(self._kind_of(letter), outcome).inc()
        return outcome.answer

    async def dispatch_bulk(self, runtime: Runtime, letters: Sequence[Mapping[str, Any]]) -> Sequence[Answer]:
        """Take many CloudEvents of one topic; when they cannot be applied together, each is taken alone.

        Not while a store is away: each would wait for it in vain.
        """
        together = await self._end(runtime, letters)
        if together in {Outcome.SUCCESS, Outcome.AWAY}:
            telemetry.EVENTS.labels(self._kind_of(letters[0]), together).inc(len(letters))
            return [together.answer] * len(letters)
        return [await self.dispatch(runtime, letter) for letter in letters]

    async def _end(self, runtime: Runtime, letters: Sequence[Mapping[str, Any]]) -> Outcome:
        if not all(isinstance(letter.get("type"), str) for letter in letters):
            return Outcome.DROP
        parent = letters[0].get("traceparent")
        with telemetry.trace_from(parent if isinstance(parent, str) else None):
            try:
                events = [event for letter in letters if (event := self._parse(letter)) is not None]
                return Outcome.SUCCESS if await self._take(runtime, events) else Outcome.REFUSED
            except ValidationError as error:
                why = error.errors(include_input=False, include_url=False)
                log.warning("event.unparsable", type=letters[0].get("type"), id=letters[0].get("id"), why=why)
                return Outcome.DROP
            except (TooEarly, Unavailable, *STORE_IS_AWAY) as error:
                log.info("event.again", type=letters[0].get("type"), id=letters[0].get("id"), why=type(error).__name__)
                return Outcome.RETRY if isinstance(error, TooEarly) else Outcome.AWAY
            except Refusal as refusal:
                # a batch is taken apart before it is known which of its events is not acceptable any more
                return await self._refused(runtime, letters[0], refusal) if len(letters) == 1 else Outcome.RETRY
            except Exception:
                log.exception("event.failed", type=letters[0].get("type"), id=letters[0].get("id"))
                return Outcome.RETRY

    def _kind_of(self, letter: Mapping[str, Any]) -> str:
        """What a letter is counted as: a type that no handler knows may be any text, even one that cannot be shown."""
        kind = letter.get("type")
        return kind if isinstance(kind, str) and kind in self._handlers else "other"

    def _parse(self, letter: Mapping[str, Any]) -> Event | None:
        found = self._handlers.get(letter["type"])
        return found.event.model_validate(letter.get("data")) if found else None

    async def _take(self, runtime: Runtime, events: Sequence[Event]) -> bool:
        """Whether no handler refused."""
        is_accepted = True
        many: dict[BulkEffect, list[Event]] = {}
        shown: dict[BulkProjection, list[Event]] = {}
        for event in events:
            found = self._handlers[event.TYPE]
            for effect in found.effects:
                is_accepted &= await _apply(runtime, effect, event)
            for projection in found.projections:
                await _show(runtime, projection, event)
            for together in found.bulk:
                many.setdefault(together, []).append(event)
            for view in found.bulk_projections:
                shown.setdefault(view, []).append(event)
        for together, its_events in many.items():
            await _apply_together(runtime, together, its_events)
        for view, its_events in shown.items():
            await _show(runtime, view, its_events)
        documented = [event.event_id for event in events if inbox.DOCUMENTS in self.consumers(event.TYPE)]
        if documented:
            await _note_shown(runtime, documented)
        return is_accepted

    async def _refused(self, runtime: Runtime, letter: Mapping[str, Any], refusal: Refusal) -> Outcome:
        """What no transaction of its own could note: a batch's or a projection's refusal."""
        log.error("event.refused", type=letter.get("type"), id=letter.get("id"), why=refusal.slug)
        event = self._parse(letter)
        if event is not None:
            async with runtime.database.begin() as session:
                for consumer in self.consumers(event.TYPE):
                    await inbox.note(session, inbox.refused(consumer), [event.event_id])
        return Outcome.REFUSED


async def _apply(runtime: Runtime, effect: Effect, event: Event) -> bool:
    """Whether the handler accepted; one that does not accept the event any more keeps it from no other."""
    is_accepted = True
    try:
        async with runtime.database.begin() as session:
            if await inbox.is_first(session, effect.__name__, event.event_id):
                await effect(session, event)
                failpoint("event.handled.before_commit")
    except (TooEarly, Unavailable):
        raise
    except Refusal as refusal:
        log.exception("event.refused", type=event.TYPE, id=str(event.event_id), by=effect.__name__, why=refusal.slug)
        async with runtime.database.begin() as session:
            await inbox.note(session, inbox.refused(effect.__name__), [event.event_id])
        is_accepted = False
    failpoint("event.applied.before_answer")
    return is_accepted


async def _apply_together(runtime: Runtime, effect: BulkEffect, events: Sequence[Event]) -> None:
    async with runtime.database.begin() as session:
        await effect(session, events)
        await inbox.note(session, effect.__name__, [event.event_id for event in events])
        failpoint("event.handled_together.before_commit")
    failpoint("event.applied_together.before_answer")


async def _show(runtime: Runtime, projection: Callable[[Documents, Any], Awaitable[None]], told: object) -> None:
    await projection(runtime.documents, told)
    failpoint("event.shown.before_noted")


async def _note_shown(runtime: Runtime, event_ids: Sequence[UUID]) -> None:
    async with runtime.database.begin() as session:
        await inbox.note(session, inbox.DOCUMENTS, event_ids)
    failpoint("event.noted.before_answer")
