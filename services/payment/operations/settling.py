"""Settling: finding out what became of an attempt whose outcome nobody was told. Never guessing."""

from contextlib import suppress
from datetime import datetime
from uuid import UUID

from services.payment.clients.provider import CallInvalid, OutcomeUnknown, ProviderBroken
from services.payment.domain.attempts import KEYS_HOLD, PROCESSING_ERROR, STICKY_TRIES, AttemptStatus
from services.payment.domain.intents import FINAL, UNSETTLED, Intent, IntentStatus
from services.payment.domain.payment import Payment
from services.payment.operations import recording
from services.payment.operations.paying import confirmation_key, intent_key, intent_metadata
from services.payment.operations.till import Till
from services.payment.store import attempts, payments
from services.payment.store.attempts import PaymentAttempt
from services.shared.failpoints import failpoint


class _Ended(OutcomeUnknown):
    """The attempt has its outcome from elsewhere."""


async def settle_one(till: Till, *, at: datetime) -> bool:
    """Look after the attempt that is longest due; answers whether there was one."""
    async with till.database.begin() as session:
        due = await attempts.take_due(session, now=at)
    if due is None:
        return False
    failpoint("attempt.leased.before_settled")
    with suppress(OutcomeUnknown):
        await settle(till, due.payment_id, at=at)
    failpoint("attempt.settled.before_postponed")
    async with till.database.begin() as session:
        await attempts.postpone(session, due.id, now=at)
    return True


async def settle(till: Till, payment_id: UUID, *, at: datetime) -> bool:
    """Ask the provider about the newest awaited attempt of a payment and record what is so.

    :returns: False when no attempt is awaited.
    :raises OutcomeUnknown: the provider did not answer.
    """
    async with till.database.read() as session:
        tried = await attempts.find_awaited(session, payment_id)
    if tried is None:
        return False
    try:
        intent = await _find_out(till, tried, at)
        failpoint("attempt.found_out.before_recorded")
    except CallInvalid as invalid:
        await recording.record_invalid(till, tried.attempt.id, invalid.code, at=at)
    else:
        await recording.record(till, tried.attempt.id, intent, at=at)
    return True


async def catch_up(till: Till, payment: Payment, *, at: datetime) -> None:
    """The provider seems to have the money of a payment that has not succeeded here: ask, and record what is so.

    :raises OutcomeUnknown: the provider did not answer.
    """
    if await settle(till, payment.id, at=at) or payment.intent_id is None:
        return
    await recording.record_missed(till, payment.id, await till.provider.retrieve(payment.intent_id), at=at)


async def _find_out(till: Till, tried: PaymentAttempt, at: datetime) -> Intent:
    intent_id = tried.payment.intent_id
    if intent_id is None:
        return await _begin_again(till, tried, at)
    intent = await till.provider.retrieve(intent_id)
    if intent.status in FINAL | UNSETTLED:
        return intent
    if not tried.is_payable:
        return await till.provider.cancel(intent_id)
    if tried.attempt.status is AttemptStatus.REQUIRES_ACTION or _is_too_old(tried, at):
        return intent
    return await _confirm_again(till, tried, intent_id)


def _is_too_old(tried: PaymentAttempt, at: datetime) -> bool:
    """Whether the provider may have forgotten the attempt's key and would execute the same call once more."""
    return at - tried.attempt.at > KEYS_HOLD


async def _confirm_again(till: Till, tried: PaymentAttempt, intent_id: str) -> Intent:
    """The same call under the same key: it gives the answer that was lost, or executes what never arrived.

    What the provider was still working on when it gave a lost answer may have ended since: that answer never changes.
    """
    attempt = tried.attempt
    key = confirmation_key(tried.payment.order_id, attempt.n)
    try:
        intent = await till.provider.confirm(intent_id, key=key, payment_method=attempt.payment_method)
    except ProviderBroken:
        if attempt.tries < STICKY_TRIES:
            raise
        return await till.provider.retrieve(intent_id)
    return await till.provider.retrieve(intent_id) if intent.status in UNSETTLED else intent


async def _begin_again(till: Till, tried: PaymentAttempt, at: datetime) -> Intent:
    """The attempt never got an intent, so nothing was confirmed: open one and go on, or let it be."""
    if not tried.is_payable:
        return Intent(id="", status=IntentStatus.CANCELED)
    try:
        intent_id = await _open_again(till, tried, at)
    except ProviderBroken:
        if tried.attempt.tries < STICKY_TRIES:
            raise
        return Intent(id="", status=IntentStatus.REQUIRES_PAYMENT_METHOD, decline_code=PROCESSING_ERROR)
    return await _confirm_again(till, tried, intent_id)


async def _open_again(till: Till, tried: PaymentAttempt, at: datetime) -> str:
    payment = tried.payment
    async with till.database.begin() as session:
        outlook = await payments.look(session, payment.order_id)
    ended = outlook.ended if outlook is not None else 0
    intent = await till.provider.create(
        key=intent_key(payment.order_id, ended),
        amount_minor=payment.amount_minor,
        currency=payment.currency,
        metadata=intent_metadata(payment.order_id, payment.id),
    )
    failpoint("intent.opened_again.before_kept")
    async with till.database.begin() as session:
        now = await attempts.lock(session, tried.attempt.id)
        if not now.attempt.is_awaited:
            raise _Ended
        kept = await payments.keep_intent(session, payment.id, intent.id, at=at)
    failpoint("intent.kept_again.before_confirmed")
    return kept
