"""Settling: finding out what became of an attempt whose outcome nobody was told. Never guessing."""

from contextlib import suppress
from datetime import datetime
from uuid import UUID

from services.payment.clients.provider import CallInvalid, OutcomeUnknown, ProviderBroken
from services.payment.domain.attempts import KEYS_HOLD, PROCESSING_ERROR, AttemptStatus
from services.payment.domain.intents import FINAL, UNSETTLED, Intent, IntentStatus
from services.payment.operations import recording
from services.payment.operations.paying import confirmation_key, intent_key, intent_metadata
from services.payment.operations.till import Till
from services.payment.store import attempts, payments
from services.payment.store.attempts import Standing

STICKY_TRIES = 3
"""After so many errors of the provider for one key, it is taken to give that error for ever."""


async def settle_one(till: Till, *, at: datetime) -> bool:
    """Look after the attempt that is longest due; answers whether there was one."""
    async with till.database.begin() as session:
        due = await attempts.take_due(session, now=at)
    if due is None:
        return False
    with suppress(OutcomeUnknown):
        await settle(till, due.payment_id, at=at)
    async with till.database.begin() as session:
        await attempts.postpone(session, due.id, now=at)
    return True


async def settle(till: Till, payment_id: UUID, *, at: datetime) -> bool:
    """Ask the provider about the newest awaited attempt of a payment and record what is so.

    :returns: False when no attempt is awaited.
    :raises OutcomeUnknown: the provider did not answer.
    """
    async with till.database.read() as session:
        standing = await attempts.find_awaited(session, payment_id)
    if standing is None:
        return False
    try:
        intent = await _find_out(till, standing, at)
    except CallInvalid as invalid:
        await recording.record_invalid(till, standing.attempt.id, invalid.code, at=at)
    else:
        await recording.record(till, standing.attempt.id, intent, at=at)
    return True


async def _find_out(till: Till, standing: Standing, at: datetime) -> Intent:
    intent_id = standing.payment.intent_id
    if intent_id is None:
        return await _begin_again(till, standing, at)
    intent = await till.provider.retrieve(intent_id)
    if intent.status in FINAL | UNSETTLED:
        return intent
    if not standing.is_payable:
        return await till.provider.cancel(intent_id)
    if standing.attempt.status is AttemptStatus.REQUIRES_ACTION or _is_too_old(standing, at):
        return intent
    return await _confirm_again(till, standing, intent_id)


def _is_too_old(standing: Standing, at: datetime) -> bool:
    """Whether the provider may have forgotten the attempt's key and would execute the same call once more."""
    return at - standing.attempt.at > KEYS_HOLD


async def _confirm_again(till: Till, standing: Standing, intent_id: str) -> Intent:
    """The same call under the same key: it gives the answer that was lost, or executes what never arrived."""
    attempt = standing.attempt
    key = confirmation_key(standing.payment.order_id, attempt.n)
    try:
        return await till.provider.confirm(intent_id, key=key, payment_method=attempt.payment_method)
    except ProviderBroken:
        if attempt.tries < STICKY_TRIES:
            raise
        return await till.provider.retrieve(intent_id)


async def _begin_again(till: Till, standing: Standing, at: datetime) -> Intent:
    """The attempt never got an intent, so nothing was confirmed: open one and go on, or let it be."""
    if not standing.is_payable:
        return Intent(id="", status=IntentStatus.CANCELED)
    try:
        intent_id = await _open_again(till, standing, at)
    except ProviderBroken:
        if standing.attempt.tries < STICKY_TRIES:
            raise
        return Intent(id="", status=IntentStatus.REQUIRES_PAYMENT_METHOD, decline_code=PROCESSING_ERROR)
    return await _confirm_again(till, standing, intent_id)


async def _open_again(till: Till, standing: Standing, at: datetime) -> str:
    payment = standing.payment
    async with till.database.begin() as session:
        outlook = await payments.look(session, payment.order_id)
    settled = outlook.settled if outlook is not None else 0
    intent = await till.provider.create(
        key=intent_key(payment.order_id, settled),
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        metadata=intent_metadata(payment.order_id, payment.id),
    )
    async with till.database.begin() as session:
        await payments.keep_intent(session, payment.id, intent.id, at=at)
    return intent.id
