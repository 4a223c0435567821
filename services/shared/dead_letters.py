"""Dead letters: what could not be handled within the broker's retries is parked in a table and dispatched again.

A store may be away longer than the retry budget, so a letter is tried with growing delays for 24 hours; only then is it
dead and a person asked. Hours in which nobody could try it, because the system was down, do not kill it. A letter that
cannot be parsed is dead at once.
"""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

import structlog
from sqlalchemy import RowMapping, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.expression import bindparam

from services.shared.failpoints import failpoint
from services.shared.pubsub import Answer, EventDoor
from services.shared.runtime import Runtime

PUBSUB = "dead-letters"
FIRST_DELAY = timedelta(seconds=1)
LONGEST_DELAY = timedelta(hours=1)
GIVEN_UP_AFTER = timedelta(hours=24)
FEWEST_ATTEMPTS = 12
"""So many tries it takes until the delay is the longest; in 24 hours without a break there are three times as many."""

CLAIMED_FOR = timedelta(seconds=60)
"""Whoever dies while dispatching leaves the letter due after this long, and the others to go on meanwhile."""

_PARK = text("""
INSERT INTO parked_letter (id, topic, letter, parked_at, next_at) VALUES (:id, :topic, :letter, :now, :next_at)
ON CONFLICT DO NOTHING
""").bindparams(bindparam("letter", type_=JSONB))
_CLAIM = text("""
UPDATE parked_letter SET attempts = attempts + 1, next_at = :again_at
WHERE id = (
    SELECT id FROM parked_letter WHERE state = 'parked' AND next_at <= :now
    ORDER BY next_at LIMIT 1 FOR UPDATE SKIP LOCKED
)
RETURNING id, letter, parked_at, attempts
""")
_REMOVE = text("DELETE FROM parked_letter WHERE id = :id")
_DELAY = text("UPDATE parked_letter SET next_at = :next_at, state = :state WHERE id = :id AND attempts = :attempts")

log = structlog.get_logger()


def topic_of(app_id: str) -> str:
    """The dead-letter topic of an application."""
    return f"dead-letters.{app_id}"


async def receive(runtime: Runtime, letter: Mapping[str, Any]) -> None:
    """Take a letter that the broker gave up on; it may be answered for once this returns."""
    async with runtime.database.begin() as session:
        await park(session, letter, now=runtime.clock())
    failpoint("dead_letter.parked.before_answer")


async def park(session: AsyncSession, letter: Mapping[str, Any], *, now: datetime) -> None:
    """Keep a letter for later; keeping it twice keeps it once."""
    kept = _storable(letter)
    row = {"id": _identity(letter), "topic": str(kept.get("topic")), "letter": kept, "now": now}
    await session.execute(_PARK, row | {"next_at": now + FIRST_DELAY})


def _storable(letter: Mapping[str, Any]) -> dict[str, Any]:
    """The letter, or its bytes where it has what Python's JSON allows and JSONB does not: NUL, a lone surrogate, NaN.

    Refusing it would have the broker bring it again for ever.
    """
    try:
        strict = json.dumps(letter, allow_nan=False, ensure_ascii=False).encode()
    except ValueError:
        strict = b"\\u0000"
    return {"unparsable": json.dumps(letter).encode().hex()} if b"\\u0000" in strict else dict(letter)


def _identity(letter: Mapping[str, Any]) -> UUID:
    try:
        return UUID(str(letter.get("id")))
    except ValueError:
        return uuid5(NAMESPACE_OID, json.dumps(letter, sort_keys=True))


async def dispatch_one(runtime: Runtime, door: EventDoor) -> bool:
    """Dispatch the parked letter that is longest due; answers whether there was one."""
    now = runtime.clock()
    async with runtime.database.begin() as session:
        row = (await session.execute(_CLAIM, {"now": now, "again_at": now + CLAIMED_FOR})).mappings().one_or_none()
    if row is None:
        return False
    answer = await door.dispatch(runtime, row["letter"])
    failpoint("dead_letter.dispatched.before_removal")
    async with runtime.database.begin() as session:
        if answer is Answer.SUCCESS:
            await session.execute(_REMOVE, {"id": row["id"]})
        else:
            await session.execute(_DELAY, _next_try(row, answer, now))
    return True


def _next_try(row: RowMapping, answer: Answer, now: datetime) -> dict[str, Any]:
    """What becomes of a letter, unless an operator has it replayed meanwhile: that counts its attempts anew."""
    id_, attempts = row["id"], row["attempts"]
    is_over = now - row["parked_at"] >= GIVEN_UP_AFTER and attempts >= FEWEST_ATTEMPTS
    dead = answer is Answer.DROP or is_over
    if dead:
        log.error("letter.dead", id=str(id_), attempts=attempts)
    delay = min(FIRST_DELAY * 2 ** min(attempts, 20), LONGEST_DELAY)
    return {"id": id_, "attempts": attempts, "next_at": now + delay, "state": "dead" if dead else "parked"}
