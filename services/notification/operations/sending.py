"""Sending what was written down: at least once, outside of every transaction, with growing delays.

One e-mail at a time: Dapr's SMTP binding (1.18, bindings/smtp/smtp.go) keeps the recipient of a request in a struct
that all requests share, so two at once could swap their letters. After a failure nothing is sent until the sidecar has
answered and a rest has passed, because a request that timed out may still be waiting there. A sender that is stopped
writes down what has left before it ends, or all of it would leave again.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from services.contracts.events import NotificationSent
from services.notification import store
from services.notification.domain import EMAIL, Message
from services.shared import outbox
from services.shared.database import Database
from services.shared.failpoints import failpoint
from services.shared.runtime import Runtime
from services.shared.sidecar import Sidecar, SidecarAway

BINDING = "email"
BATCH = 10
CLAIMED_FOR = timedelta(seconds=120)
"""Longer than a batch can take."""
LETTERS_KEPT = timedelta(days=30)
EMPTIED_AT_ONCE = 1_000

log = structlog.get_logger()


class Sender:
    """Sends what is due, one after the other."""

    def __init__(self) -> None:
        """Trusting the sidecar."""
        self._is_in_doubt = False
        self._is_stopping = False

    async def step(self, runtime: Runtime) -> bool:
        """Send a batch; answers whether there may be more."""
        if self._is_in_doubt:
            self._is_in_doubt = not await runtime.sidecar.is_ready()
            return False
        batch = asyncio.create_task(self._batch(runtime))
        try:
            return await asyncio.shield(batch)
        except asyncio.CancelledError:
            self._is_stopping = True
            await asyncio.wait([batch])
            raise

    async def _batch(self, runtime: Runtime) -> bool:
        due = await _claim(runtime.database, runtime.clock())
        tried, sent = await self._send(runtime.sidecar, due)
        if due:
            await _record(runtime.database, due, tried, sent, runtime.clock())
        self._is_in_doubt = sent < tried
        return len(due) == BATCH and not self._is_in_doubt

    async def _send(self, sidecar: Sidecar, due: Sequence[Message]) -> tuple[int, int]:
        """How many were tried and how many were sent, from the first on, until one failed or the sender is stopped."""
        for sent, message in enumerate(due):
            if self._is_stopping:
                return sent, sent
            failpoint("message.claimed.before_handed_over")
            headers = {"emailTo": message.address, "subject": message.subject}
            try:
                await sidecar.invoke_binding(BINDING, "create", message.html, headers)
            except SidecarAway:
                log.warning("message.failed", id=str(message.id), attempts=message.attempts)
                return sent + 1, sent
            failpoint("message.handed_over.before_marked_sent")
        return len(due), len(due)


async def empty_old_letters(runtime: Runtime) -> bool:
    """Forget some letters that were sent 30 days ago: addresses and words are personal data. Whether there may be more.

    Dead ones are left: a person has to look at them.
    """
    async with runtime.database.begin() as session:
        before = runtime.clock() - LETTERS_KEPT
        return await store.empty(session, sent_before=before, limit=EMPTIED_AT_ONCE) == EMPTIED_AT_ONCE


async def _claim(database: Database, now: datetime) -> list[Message]:
    async with database.begin() as session:
        return await store.claim_due(session, now=now, again_at=now + CLAIMED_FOR, limit=BATCH)


async def _record(database: Database, due: Sequence[Message], tried: int, sent: int, now: datetime) -> None:
    async with database.begin() as session:
        first = await store.mark_sent(session, [message.id for message in due[:sent]], now=now)
        outbox.add(session, *(_fact(message, now) for message in due[:sent] if message.id in first))
        if sent < tried:
            await store.mark_failed(session, due[sent], now=now)
        if tried < len(due):
            await store.unclaim(session, [message.id for message in due[tried:]], now=now)


def _fact(message: Message, at: datetime) -> NotificationSent:
    return NotificationSent(
        version=1,
        at=at,
        notification_id=message.id,
        user_id=message.user_id,
        order_id=message.order_id,
        channel=EMAIL,
        template=message.template,
    )
