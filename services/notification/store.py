"""Every SQL statement on recipients, messages, read marks and preferences."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.expression import bindparam

from services.contracts.events import UserEvent
from services.notification.domain import EMAIL, Message, Recipient, RecipientUnknown

_KEEP_RECIPIENT = text("""
INSERT INTO recipient (user_id, email, first_name, version) VALUES (:user_id, :email, :first_name, :version)
ON CONFLICT (user_id) DO UPDATE
SET email = excluded.email, first_name = excluded.first_name, version = excluded.version
WHERE recipient.version < excluded.version
""")
_RECIPIENT = text("""
SELECT user_id, email, first_name, coalesce((wishes #>> '{order_updates,email}')::boolean, true) AS wants_order_emails
FROM recipient LEFT JOIN preference USING (user_id) WHERE user_id = :user_id
""")
_ADD = text("""
INSERT INTO message
    (id, user_id, order_id, channel, template, address, subject, html, state, attempts, written_at, next_at)
VALUES (:id, :user_id, :order_id, :channel, :template, :address, :subject, :html, :state, 0, :at, :at)
ON CONFLICT DO NOTHING
""")
_CLAIM = text("""
UPDATE message SET attempts = attempts + 1, next_at = :again_at
WHERE id = ANY(ARRAY(
    SELECT id FROM message WHERE state = 'pending' AND next_at <= :now
    ORDER BY next_at LIMIT :limit FOR UPDATE SKIP LOCKED
))
RETURNING id, user_id, order_id, template, address, subject, html, attempts, written_at
""")
_SENT = text("""
UPDATE message SET state = 'sent', sent_at = :now WHERE id = ANY(CAST(:ids AS uuid[])) AND state = 'pending'
RETURNING id
""")
_FAILED = text("UPDATE message SET state = :state, next_at = :next_at WHERE id = :id AND state = 'pending'")
_UNCLAIM = text("""
UPDATE message SET attempts = attempts - 1, next_at = :now WHERE id = ANY(CAST(:ids AS uuid[])) AND state = 'pending'
""")
_EMPTY = text("""
UPDATE message SET address = '', subject = '', html = '' WHERE id = ANY(ARRAY(
    SELECT id FROM message WHERE state = 'sent' AND html <> '' AND sent_at < :before ORDER BY sent_at LIMIT :limit
))
RETURNING 1
""")
_MARK_READ = text("INSERT INTO read_mark (notification_id) VALUES (:id) ON CONFLICT DO NOTHING")
_READ = text("SELECT notification_id FROM read_mark WHERE notification_id = ANY(CAST(:ids AS uuid[]))")
_WISHES = text("SELECT wishes FROM preference WHERE user_id = :user_id")
_KEEP_WISHES = text("""
INSERT INTO preference (user_id, wishes) VALUES (:user_id, :wishes)
ON CONFLICT (user_id) DO UPDATE SET wishes = excluded.wishes
""").bindparams(bindparam("wishes", type_=JSONB))


async def keep_recipient(session: AsyncSession, user: UserEvent) -> None:
    """Keep how a user is reached; an older version changes nothing."""
    columns = {"user_id": user.user_id, "email": user.email, "first_name": user.first_name, "version": user.version}
    await session.execute(_KEEP_RECIPIENT, columns)


async def recipient(session: AsyncSession, user_id: UUID) -> Recipient:
    """How a user is reached.

    :raises RecipientUnknown: the user has not been heard of yet.
    """
    row = (await session.execute(_RECIPIENT, {"user_id": user_id})).mappings().one_or_none()
    if row is None:
        raise RecipientUnknown
    return Recipient(**row)


async def add_message(session: AsyncSession, message: Message, *, is_wanted: bool = True) -> None:
    """Keep a message to be sent; keeping it twice keeps it once, as it was first.

    Of an unwanted one only the row is kept, which absorbs the event when it comes again.
    """
    columns = {name: getattr(message, name) for name in ("id", "user_id", "order_id", "template")}
    columns |= {"channel": EMAIL, "at": message.written_at, "state": "pending" if is_wanted else "unwanted"}
    columns |= {name: getattr(message, name) if is_wanted else "" for name in ("address", "subject", "html")}
    await session.execute(_ADD, columns)


async def claim_due(session: AsyncSession, *, now: datetime, again_at: datetime, limit: int) -> list[Message]:
    """Messages that are due, longest first; whoever claims them and dies leaves them due at `again_at`."""
    rows = await session.execute(_CLAIM, {"now": now, "again_at": again_at, "limit": limit})
    return sorted((Message(**row) for row in rows.mappings()), key=lambda message: message.written_at)


async def mark_sent(session: AsyncSession, ids: Sequence[UUID], *, now: datetime) -> frozenset[UUID]:
    """Mark messages sent; answers those that were not before."""
    return frozenset(await session.scalars(_SENT, {"ids": list(ids), "now": now}))


async def mark_failed(session: AsyncSession, message: Message, *, now: datetime) -> None:
    """Put a message off, or give it up."""
    state = "dead" if message.is_given_up else "pending"
    await session.execute(_FAILED, {"id": message.id, "state": state, "next_at": message.next_try(now)})


async def unclaim(session: AsyncSession, ids: Sequence[UUID], *, now: datetime) -> None:
    """Make claimed messages that were not tried due again."""
    await session.execute(_UNCLAIM, {"ids": list(ids), "now": now})


async def empty(session: AsyncSession, *, sent_before: datetime, limit: int) -> int:
    """Forget to whom and in which words messages were sent, of the oldest first; answers of how many.

    The rows stay: they absorb the events that come again.
    """
    return len((await session.scalars(_EMPTY, {"before": sent_before, "limit": limit})).all())


async def mark_read(session: AsyncSession, notification_id: UUID) -> None:
    """Mark an item of an inbox as read."""
    await session.execute(_MARK_READ, {"id": notification_id})


async def read_of(session: AsyncSession, ids: Sequence[UUID]) -> frozenset[UUID]:
    """Those of the items that were read."""
    return frozenset(await session.scalars(_READ, {"ids": list(ids)}))


async def find_wishes(session: AsyncSession, user_id: UUID) -> dict[str, Any] | None:
    """A user's preferences as they were kept."""
    found: dict[str, Any] | None = await session.scalar(_WISHES, {"user_id": user_id})
    return found


async def keep_wishes(session: AsyncSession, user_id: UUID, wishes: dict[str, Any]) -> None:
    """Keep a user's preferences."""
    await session.execute(_KEEP_WISHES, {"user_id": user_id, "wishes": wishes})
