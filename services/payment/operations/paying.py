"""Paying: open the intent, begin an attempt, confirm it, record what became of it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.payment.clients import orders
from services.payment.clients.provider import CallInvalid, OutcomeUnknown
from services.payment.domain.attempts import (
    AttemptStatus,
    InvalidPaymentMethod,
    OrderAlreadyPaid,
    OrderNotFound,
    OrderNotPayable,
    PaymentInProgress,
    PaymentNotDone,
    PaymentRefused,
)
from services.payment.domain.payment import Payment, payment_id_of
from services.payment.operations import recording
from services.payment.operations.till import Till, until
from services.payment.store import attempts, payables, payments
from services.payment.store.attempts import NewAttempt, PaymentAttempt
from services.payment.store.leases import LOOK_AFTER
from services.payment.store.payments import Outlook
from services.shared.failpoints import failpoint
from services.shared.idempotency import REPLAYED, check_fingerprint

_PAYMENT_METHOD = "payment_method"


@dataclass(frozen=True, kw_only=True)
class Pay:
    """A customer's command to pay an order; `id` is the identity that its key gives it."""

    id: UUID
    user_id: UUID
    order_id: UUID
    payment_method: str
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class Paid:
    """What is answered to a command, and whether it was answered before."""

    tried: PaymentAttempt
    is_replay: bool


class _Overtaken(Exception):
    """Another request began an attempt first; what it began decides."""


async def pay(till: Till, command: Pay, *, at: datetime) -> Paid:
    """Try to pay an order once, however often the command comes.

    An outcome that is not known after 8 seconds is answered as pending and resolved later.

    :raises PaymentNotDone: the attempt was declined; that is recorded and its key keeps the answer.
    :raises OrderNotFound: there is no such order of this customer.
    :raises OrderNotPayable: the order was given up.
    :raises OrderAlreadyPaid: it is paid.
    :raises PaymentInProgress: another attempt is open.
    :raises InvalidPaymentMethod: the provider does not know the method.
    :raises RequestInProgress: the same command is still running after five seconds.
    """
    known, outlook = await _look(till, command)
    if known is None:
        try:
            return _answer(await _attempt(till, command, outlook, at), is_replay=False)
        except _Overtaken:
            known, _ = await _look(till, command)
    if known is None:
        raise PaymentInProgress
    return _answer(known, is_replay=True)


async def _look(till: Till, command: Pay) -> tuple[PaymentAttempt | None, Outlook | None]:
    """The command's attempt once its outcome can be told, else what is known of the order."""

    async def look() -> tuple[bool, tuple[PaymentAttempt | None, Outlook | None]]:
        async with till.database.read() as session:
            tried = await attempts.find(session, command.id)
            if tried is None or tried.attempt.status is AttemptStatus.FAILED:
                return False, (None, await payments.look(session, command.order_id))
        check_fingerprint(tried.attempt.fingerprint, command.fingerprint)
        is_running = tried.attempt.status is AttemptStatus.OPEN and not tried.attempt.is_answered
        return is_running, (tried, None)

    return await till.settled(look)


async def _attempt(till: Till, command: Pay, found: Outlook | None, at: datetime) -> PaymentAttempt:
    deadline = till.deadline()
    outlook = await _payable(till, command, found)
    intent_id = outlook.intent_id or await _open_intent(till, outlook, deadline)
    begun = await _begin(till, command, intent_id, at)
    failpoint("attempt.opened.before_confirm")
    if begun.payment.intent_id is None:
        return await _leave_open(till, begun)
    return await _confirm(till, begun, begun.payment.intent_id, deadline)


async def _payable(till: Till, command: Pay, found: Outlook | None) -> Outlook:
    outlook = found or await _ask_for_order(till, command.order_id)
    if outlook.payable.user_id != command.user_id:
        raise OrderNotFound
    if not outlook.payable.is_open:
        raise await _why_closed(till, command)
    return outlook


async def _ask_for_order(till: Till, order_id: UUID) -> Outlook:
    payable = await orders.find_payable(till.sidecar, order_id)
    if payable is None:
        raise OrderNotFound
    async with till.database.begin() as session:
        await payables.add(session, payable)
    failpoint("payable.kept.before_intent")
    return Outlook(payable=payable, intent_id=None, ended=0)


async def _open_intent(till: Till, outlook: Outlook, deadline: float) -> str | None:
    """The id of a new, unconfirmed intent: no money can move by it yet. None when the provider does not answer."""
    payable = outlook.payable
    payment_id = payment_id_of(payable.order_id)
    key, metadata = intent_key(payable.order_id, outlook.ended), intent_metadata(payable.order_id, payment_id)
    call = till.provider.create(
        key=key, amount_minor=payable.amount_minor, currency=payable.currency, metadata=metadata
    )
    try:
        intent = await until(deadline, call)
    except OutcomeUnknown:
        return None
    except CallInvalid as invalid:
        raise PaymentRefused(reason=invalid.code) from invalid
    failpoint("payment.intent_created.before_kept")
    return intent.id


def intent_key(order_id: UUID, ended: int) -> str:
    """The key that an order's intent is created under; another one after attempts that never got an intent."""
    return f"pi:{order_id}:{ended}" if ended else f"pi:{order_id}"


def intent_metadata(order_id: UUID, payment_id: UUID) -> dict[str, str]:
    """What the provider keeps beside an intent, to find ours by."""
    return {"order_id": str(order_id), "payment_id": str(payment_id)}


async def _begin(till: Till, command: Pay, intent_id: str | None, at: datetime) -> PaymentAttempt:
    async with till.database.begin() as session:
        payable = await payables.lock(session, command.order_id)
        if payable is not None and payable.is_open:
            new = NewAttempt(
                attempt_id=command.id,
                payment_id=payment_id_of(payable.order_id),
                order_id=payable.order_id,
                user_id=payable.user_id,
                amount_minor=payable.amount_minor,
                currency=payable.currency,
                intent_id=intent_id,
                payment_method=command.payment_method,
                fingerprint=command.fingerprint,
                at=at,
            )
            begun = await attempts.begin(session, new)
            if begun is None:
                raise _Overtaken
            failpoint("attempt.opened.before_commit")
            return begun
    raise await _why_closed(till, command)


async def _why_closed(till: Till, command: Pay) -> Exception:
    """Why nothing can begin; it may be the very same command that has just closed it."""
    async with till.database.begin() as session:
        mine = await attempts.find(session, command.id)
        payment = await payments.find_of_order(session, command.order_id)
    if mine is not None and mine.attempt.status is not AttemptStatus.FAILED:
        return _Overtaken()
    return _closed(payment)


def _closed(payment: Payment | None) -> OrderAlreadyPaid | OrderNotPayable:
    return OrderAlreadyPaid() if payment is not None and payment.is_captured else OrderNotPayable()


async def _confirm(till: Till, begun: PaymentAttempt, intent_id: str, deadline: float) -> PaymentAttempt:
    attempt = begun.attempt
    key = confirmation_key(begun.payment.order_id, attempt.n)
    try:
        intent = await until(deadline, till.provider.confirm(intent_id, key=key, payment_method=attempt.payment_method))
    except OutcomeUnknown:
        return await _leave_open(till, begun)
    except CallInvalid as invalid:
        await recording.record_invalid(till, attempt.id, invalid.code, at=till.clock())
        raise _invalid(invalid) from invalid
    failpoint("attempt.confirmed.before_recorded")
    tried = await recording.record(till, attempt.id, intent, at=till.clock())
    failpoint("attempt.recorded.before_answered")
    return await _leave_open(till, tried) if tried.attempt.status is AttemptStatus.OPEN else tried


def confirmation_key(order_id: UUID, n: int) -> str:
    """The key of an attempt's one confirmation."""
    return f"confirm:{order_id}:{n}"


def _invalid(invalid: CallInvalid) -> InvalidPaymentMethod | PaymentRefused:
    return InvalidPaymentMethod() if invalid.param == _PAYMENT_METHOD else PaymentRefused(reason=invalid.code)


async def _leave_open(till: Till, tried: PaymentAttempt) -> PaymentAttempt:
    """Nobody knows yet: keep that the request is told so, and let the timer find out."""
    failpoint("attempt.unknown.before_kept")
    async with till.database.begin() as session:
        await attempts.answer(session, tried.attempt.id, due_at=till.clock() + LOOK_AFTER)
        return await attempts.lock(session, tried.attempt.id)


def _answer(tried: PaymentAttempt, *, is_replay: bool) -> Paid:
    payment, attempt = tried.payment, tried.attempt
    if attempt.status is AttemptStatus.DECLINED:
        extra = {"payment_id": str(payment.id), "decline_code": attempt.decline_code}
        raise PaymentNotDone(extra=extra, headers=REPLAYED if is_replay else {})
    if attempt.status is AttemptStatus.FAILED:
        raise _closed(payment)
    return Paid(tried=tried, is_replay=is_replay)
