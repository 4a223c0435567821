"""The provider through Stripe's own SDK, which repeats nothing by itself: calls are repeated by their identity."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

import aiohttp
import stripe
import structlog

from services.payment.clients import stripe_movements
from services.payment.clients.provider import CallInvalid, OutcomeUnknown, ProviderBroken
from services.payment.domain.intents import (
    DisputeStatus,
    FundsMoved,
    Intent,
    IntentStatus,
    NextAction,
    ProviderDispute,
    ProviderRefund,
    RefundStatus,
)
from services.payment.domain.reconciliation import MovementPage

if TYPE_CHECKING:
    from stripe.params import BalanceTransactionListParams, PaymentIntentConfirmParams

LARGEST_PAGE = 100
"""What a list gives at most. https://docs.stripe.com/api/pagination"""

_UNEXPECTED_STATE = "payment_intent_unexpected_state"
_BUSY = frozenset({HTTPStatus.CONFLICT, HTTPStatus.TOO_MANY_REQUESTS})
_BUSY_TRIES = 5
_BUSY_SECONDS = 0.05
_REFUND_STATUS = {"succeeded": RefundStatus.SUCCEEDED, "failed": RefundStatus.FAILED, "canceled": RefundStatus.FAILED}
_DISPUTE_STATUS = {
    "warning_needs_response": DisputeStatus.INQUIRY,
    "warning_under_review": DisputeStatus.INQUIRY,
    "warning_closed": DisputeStatus.DROPPED,
    "prevented": DisputeStatus.DROPPED,
    "won": DisputeStatus.WON,
    "lost": DisputeStatus.LOST,
}
"""Every other status is one of an open dispute."""

Answer = TypeVar("Answer")

log = structlog.get_logger()


class StripeProvider:
    """Stripe, or the stand-in at another address."""

    def __init__(self, client: stripe.StripeClient, *, return_url: str | None = None, page: int = LARGEST_PAGE) -> None:
        """Prepare.

        :param return_url: where customers come back to after they have authenticated.
        :param page: how many movements of the balance are read at once.
        """
        self._client = client
        self._return_url = return_url
        self._page = page

    async def create(self, *, key: str, amount_minor: int, currency: str, metadata: dict[str, str]) -> Intent:
        """Open an intent without confirming it."""
        intent = await _ask(
            lambda: self._client.v1.payment_intents.create_async(
                {
                    "amount": amount_minor,
                    "currency": currency.lower(),
                    "metadata": metadata,
                    "automatic_payment_methods": {
                        "enabled": True,
                        "allow_redirects": "never" if self._return_url is None else "always",
                    },
                },
                {"idempotency_key": key},
            )
        )
        return _intent(intent)

    async def confirm(self, intent_id: str, *, key: str, payment_method: str) -> Intent:
        """Try to take the money."""
        params: PaymentIntentConfirmParams = {"payment_method": payment_method}
        if self._return_url is not None:
            params["return_url"] = self._return_url
        return await _ask_about_intent(
            lambda: self._client.v1.payment_intents.confirm_async(intent_id, params, {"idempotency_key": key})
        )

    async def retrieve(self, intent_id: str) -> Intent:
        """The intent as it stands."""
        return await _known(_ask_about_intent(lambda: self._client.v1.payment_intents.retrieve_async(intent_id)))

    async def cancel(self, intent_id: str) -> Intent:
        """Give the intent up. It takes no key: an intent is canceled once however often that is asked for."""
        return await _known(_ask_about_intent(lambda: self._client.v1.payment_intents.cancel_async(intent_id)))

    async def refund(self, intent_id: str, *, key: str, amount_minor: int, refund_id: str) -> ProviderRefund:
        """Give money back."""
        refund = await _ask(
            lambda: self._client.v1.refunds.create_async(
                {"payment_intent": intent_id, "amount": amount_minor, "metadata": {"refund_id": refund_id}},
                {"idempotency_key": key},
            )
        )
        return _refund(refund)

    async def retrieve_refund(self, reference: str) -> ProviderRefund:
        """A refund as it stands."""
        return _refund(await _ask(lambda: self._client.v1.refunds.retrieve_async(reference)))

    async def find_refund(self, intent_id: str, *, refund_id: str) -> ProviderRefund | None:
        """Look through the intent's refunds, page by page, newest first."""
        return await _known(_ask(lambda: self._look_for_refund(intent_id, refund_id)))

    async def _look_for_refund(self, intent_id: str, refund_id: str) -> ProviderRefund | None:
        page = await self._client.v1.refunds.list_async({"payment_intent": intent_id, "limit": LARGEST_PAGE})
        async for refund in page.auto_paging_iter():
            if getattr(refund.metadata, "refund_id", None) == refund_id:
                return _refund(refund)
        return None

    async def list_movements(self, *, since: datetime | None, after: str | None = None) -> MovementPage:
        """A page of the balance's movements from a moment on, newest first."""
        params: BalanceTransactionListParams = {"limit": self._page, "expand": ["data.source"]}
        if since is not None:
            params["created"] = {"gte": int(since.timestamp())}
        if after is not None:
            params["starting_after"] = after
        return stripe_movements.page_of(await _ask(lambda: self._client.v1.balance_transactions.list_async(params)))

    async def retrieve_dispute(self, reference: str) -> ProviderDispute:
        """A dispute as it stands."""
        return _dispute(await _ask(lambda: self._client.v1.disputes.retrieve_async(reference)))


@asynccontextmanager
async def connect(
    *, api_key: str, address: str | None, return_url: str | None, seconds: float, page: int = LARGEST_PAGE
) -> AsyncIterator[StripeProvider]:
    """A provider with one pooled session.

    :param address: of the stand-in; None means Stripe itself.
    :param seconds: how long to wait for an answer.
    :param page: how many movements of the balance are read at once.
    """
    http = stripe.AIOHTTPClient(timeout=aiohttp.ClientTimeout(total=seconds))
    client = stripe.StripeClient(
        api_key,
        http_client=http,
        base_addresses={"api": address} if address else {},
        max_network_retries=0,
    )
    try:
        yield StripeProvider(client, return_url=return_url, page=page)
    finally:
        await http.close_async()  # type: ignore[no-untyped-call]


async def _ask(call: Callable[[], Awaitable[Answer]]) -> Answer:
    """Call, and again for a moment while the provider is busy with the same key or has too much to do."""
    for tries in range(_BUSY_TRIES):
        try:
            return await call()
        except (stripe.InvalidRequestError, stripe.CardError) as error:
            raise CallInvalid(error.code or "invalid", error.param) from error
        except (stripe.StripeError, aiohttp.ClientError, TimeoutError) as error:
            if getattr(error, "http_status", None) not in _BUSY:
                raise _missing(error) from error
        await asyncio.sleep(_BUSY_SECONDS * 2**tries * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
    raise OutcomeUnknown


def _missing(error: Exception) -> OutcomeUnknown:
    """A 500 is kept with its key, and so is whatever the key was used for with other parameters.

    Behind every other error of a server the call may still be executing
    (https://docs.stripe.com/api/idempotent_requests).
    """
    status = getattr(error, "http_status", None)
    log.warning("provider.no_answer", error=type(error).__name__, status=status)
    is_kept = status == HTTPStatus.INTERNAL_SERVER_ERROR or isinstance(error, stripe.IdempotencyError)
    return ProviderBroken() if is_kept else OutcomeUnknown()


async def _ask_about_intent(call: Callable[[], Awaitable[stripe.PaymentIntent]]) -> Intent:
    """Call; a decline and a state that does not allow the call both come with the intent as it stands."""
    try:
        return _intent(await _ask(call))
    except CallInvalid as invalid:
        error = invalid.__cause__
        if isinstance(error, stripe.CardError):
            return _intent_in(error, decline_code=_decline_code(error))
        if isinstance(error, stripe.InvalidRequestError) and invalid.code == _UNEXPECTED_STATE:
            return _intent_in(error)
        raise


async def _known(asking: Awaitable[Answer]) -> Answer:
    """The answer about an intent that exists: to be told that it does not is no answer."""
    try:
        return await asking
    except CallInvalid as invalid:
        log.exception("provider.denies_intent", code=invalid.code)
        raise OutcomeUnknown from invalid


def _decline_code(error: stripe.CardError) -> str:
    return (error.error and error.error.decline_code) or error.code or "generic_decline"


def _intent_in(error: stripe.StripeError, *, decline_code: str | None = None) -> Intent:
    intent = error.error.payment_intent if error.error else None
    if intent is None:
        raise OutcomeUnknown from error
    return _intent(intent, decline_code=decline_code)


def _intent(intent: stripe.PaymentIntent, *, decline_code: str | None = None) -> Intent:
    failure = intent.last_payment_error
    return Intent(
        id=intent.id,
        status=IntentStatus(intent.status),
        received_minor=intent.amount_received or 0,
        decline_code=decline_code or (failure and (failure.decline_code or failure.code)) or None,
        next_action=_next_action(intent),
    )


def _next_action(intent: stripe.PaymentIntent) -> NextAction | None:
    action = intent.next_action
    if action is None:
        return None
    redirect = getattr(action, "redirect_to_url", None)
    return NextAction(type=action.type, url=redirect.url if redirect else None)


def _refund(refund: stripe.Refund) -> ProviderRefund:
    return ProviderRefund(id=refund.id, status=_REFUND_STATUS.get(refund.status or "", RefundStatus.PENDING))


def _dispute(dispute: stripe.Dispute) -> ProviderDispute:
    """A dispute has no, one or two balance transactions: funds withdrawn, and funds reinstated."""
    intent = dispute.payment_intent
    moved = [_moved(one) for one in dispute.balance_transactions]
    return ProviderDispute(
        id=dispute.id,
        intent_id=intent.id if isinstance(intent, stripe.PaymentIntent) else intent,
        status=_DISPUTE_STATUS.get(dispute.status, DisputeStatus.OPEN),
        amount_minor=dispute.amount,
        currency=dispute.currency.upper(),
        reason=dispute.reason,
        withdrawn=next((funds for is_taken, funds in moved if is_taken), None),
        reinstated=next((funds for is_taken, funds in moved if not is_taken), None),
    )


def _moved(transaction: stripe.BalanceTransaction) -> tuple[bool, FundsMoved]:
    currency = transaction.currency.upper()
    funds = FundsMoved(amount_minor=abs(transaction.amount), fee_minor=transaction.fee, currency=currency)
    return transaction.amount < 0, funds
