"""Hearing what the provider tells by itself: kept first, acted on afterwards, by the same records as the answers."""

from datetime import datetime, timedelta

import structlog

from services.payment.clients import webhooks as wire
from services.payment.clients.provider import CallInvalid, OutcomeUnknown
from services.payment.domain.refunds import Refund
from services.payment.operations import disputing, returning, settling
from services.payment.operations.till import Till
from services.payment.store import payments, refunds, webhooks
from services.payment.store.webhooks import Due, Received
from services.shared.failpoints import failpoint

_INTENT = "payment_intent."
_DISPUTE = "charge.dispute."
_SUCCEEDED = "payment_intent.succeeded"
_KEPT_FOR = timedelta(days=30)
"""The provider tells an event again for some days."""

log = structlog.get_logger()


async def hear(till: Till, body: bytes, signature: str | None, *, at: datetime) -> None:
    """Keep a signed event; repeats change nothing.

    :raises BadSignature: it is not the provider's, or too old.
    """
    event = wire.read(body, signature, secret=till.webhook_secret)
    about = event.data.object
    received = Received(
        id=event.id,
        type=event.type,
        kind=about.object,
        object_id=about.id,
        status=about.status,
        refund_id=about.refund_id,
    )
    async with till.database.begin() as session:
        await webhooks.keep(session, received, now=at)
    failpoint("webhook.kept.before_answered")


async def act_on_one(till: Till, *, at: datetime) -> bool:
    """Act on the event that is longest due; answers whether there was one."""
    async with till.database.begin() as session:
        due = await webhooks.take_due(session, now=at)
    if due is None:
        return False
    failpoint("webhook.leased.before_acted")
    try:
        await _act(till, due, at)
    except OutcomeUnknown:
        async with till.database.begin() as session:
            await webhooks.postpone(session, due.id, now=at)
    else:
        failpoint("webhook.acted.before_done")
        async with till.database.begin() as session:
            await webhooks.done(session, due.id, now=at)
    return True


async def forget_old(till: Till, *, at: datetime) -> bool:
    """Forget events that were done with long ago; answers whether there were any."""
    async with till.database.begin() as session:
        return await webhooks.forget(session, before=at - _KEPT_FOR)


async def _act(till: Till, due: Due, at: datetime) -> None:
    if due.type.startswith(_INTENT):
        await _act_on_intent(till, due, at)
    elif due.type.startswith(_DISPUTE):
        await disputing.take(till, due.object_id, at=at)
    else:
        await _act_on_refund(till, due, at)


async def _act_on_intent(till: Till, due: Due, at: datetime) -> None:
    async with till.database.read() as session:
        payment = await payments.find_by_intent(session, due.object_id)
    if payment is None or payment.is_captured:
        return
    if due.type == _SUCCEEDED:
        await settling.catch_up(till, payment, at=at)
    else:
        await settling.settle(till, payment.id, at=at)


async def _act_on_refund(till: Till, due: Due, at: datetime) -> None:
    async with till.database.begin() as session:
        found: Refund | None = await refunds.find_by_reference(session, due.object_id, refund_id=due.refund_id)
    if found is None:
        log.warning("refund.unknown", reference=due.object_id)
        return
    try:
        made = await till.provider.retrieve_refund(due.object_id)
    except CallInvalid as invalid:
        log.warning("refund.unreadable", reference=due.object_id, code=invalid.code)
        return
    await returning.record(till, found.id, made, at=at)
