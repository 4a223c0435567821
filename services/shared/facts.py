"""A producer's door for whoever catches up: which facts it has published, and those that never came once more."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ValidationError

from services.contracts.answers import FactsAgain, FactsAsked, FactsMissed, PublishedFact, PublishedFacts
from services.shared import outbox
from services.shared.database import Database
from services.shared.errors import Invalid, NotFound
from services.shared.identity import Peer
from services.shared.pages import decode_cursor, encode_cursor
from services.shared.runtime import OwnDatabase

HANDLED_AFTER = timedelta(seconds=60)
"""So long after it was published a fact should have been handled; until then nobody is told of it.

A reader that is later than that takes for lost what only waits: it has some of it told twice.
"""
PAGE = 500
_PATH = "/internal/facts"

router = APIRouter(prefix=_PATH, include_in_schema=False)


class QuestionUnknown(NotFound):
    """There is no such question."""


class QuestionInvalid(Invalid):
    """The question is not what it should be."""


async def published(database: Database, asked: FactsAsked) -> PublishedFacts:
    """The names of facts that were published after a position and a minute ago.

    A position is a moment and a row of it, by the time of publication: a fact that is published once more comes again.
    """
    async with database.begin() as session:
        until = await outbox.horizon(session, ago=HANDLED_AFTER)
        after = decode_cursor(asked.position, datetime.fromisoformat, int)
        if after is None:
            return PublishedFacts(facts=[], position=_position(until, 0), more=False)
        found = await outbox.published(
            session, asked.topic, asked.types, after=(after[0], after[1]), until=until, limit=PAGE
        )
    more = len(found) == PAGE
    position = _position(found[-1].published_at, found[-1].id) if more else _position(until, 0)
    return PublishedFacts(
        facts=[PublishedFact(event_id=one.event_id, type=one.type) for one in found], position=position, more=more
    )


async def publish_again(database: Database, missed: FactsMissed) -> FactsAgain:
    """Have facts published once more; whoever has handled them knows them by the inbox."""
    async with database.begin() as session:
        return FactsAgain(number=await outbox.publish_again(session, missed.topic, missed.event_ids))


def _position(moment: datetime, row: int) -> str:
    return encode_cursor(moment.isoformat(), row)


@router.post("")
async def ask_for_facts(asked: FactsAsked, database: OwnDatabase, _: Peer) -> PublishedFacts:
    """Which facts should have been handled by now."""
    return await published(database, asked)


@router.post("/again")
async def ask_for_facts_again(missed: FactsMissed, database: OwnDatabase, _: Peer) -> FactsAgain:
    """These have not come."""
    return await publish_again(database, missed)


_QUESTIONS: Mapping[str, tuple[type[BaseModel], Callable[[Database, Any], Awaitable[BaseModel]]]] = {
    _PATH: (FactsAsked, published),
    f"{_PATH}/again": (FactsMissed, publish_again),
}


async def answer(database: Database, path: str, body: bytes) -> bytes:
    """The same door for an application that does not speak HTTP: takes and gives JSON.

    :raises QuestionUnknown: the path is none of this door.
    :raises QuestionInvalid: the body is not what belongs to the path.
    """
    if path not in _QUESTIONS:
        raise QuestionUnknown
    kind, asked = _QUESTIONS[path]
    try:
        question = kind.model_validate_json(body)
    except ValidationError as error:
        raise QuestionInvalid from error
    return (await asked(database, question)).model_dump_json().encode()
