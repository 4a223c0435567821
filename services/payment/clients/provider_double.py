"""A provider for tests: in memory, going wrong on demand, and put through the same suite as the real one."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

from services.payment.clients.accounts_double import Account, AccountsDouble
from services.payment.clients.provider import CallInvalid, OutcomeUnknown, ProviderBroken
from services.payment.domain.intents import (
    DisputeStatus,
    Intent,
    IntentStatus,
    NextAction,
    ProviderDispute,
    ProviderRefund,
    RefundStatus,
)
from services.payment.domain.reconciliation import MovementKind, MovementPage

CONFIRMABLE = frozenset(
    {IntentStatus.REQUIRES_PAYMENT_METHOD, IntentStatus.REQUIRES_CONFIRMATION, IntentStatus.REQUIRES_ACTION}
)
_DECLINES = {
    "pm_card_chargeDeclined": "generic_decline",
    "pm_card_chargeDeclinedInsufficientFunds": "insufficient_funds",
}
_CARDS = frozenset({"pm_card_visa", "pm_card_authenticationRequired", "pm_card_pendingRefund", *_DECLINES})
_SMALLEST = 50
_CHARGED_BACK = frozenset({DisputeStatus.OPEN, DisputeStatus.LOST})

Answer = TypeVar("Answer", Intent, ProviderRefund, ProviderDispute, MovementPage)


class Fault(StrEnum):
    """What goes wrong with a call: lost on the way there, lost on the way back, or an error that sticks to its key.

    Such an error comes instead of what was asked for, or (`ERROR_500_AFTER`) once it was done.
    """

    DROP_REQUEST = "drop_request"
    DROP_ANSWER = "drop_answer"
    ERROR_500 = "error_500"
    ERROR_500_AFTER = "error_500_after"


class Gate:
    """Holds calls up until it is opened; `reached` tells that one has come."""

    def __init__(self) -> None:
        """Closed."""
        self.reached = asyncio.Event()
        self._opened = asyncio.Event()

    def open(self) -> None:
        """Let everybody through."""
        self._opened.set()

    async def hold(self) -> None:
        """Wait until it is opened."""
        self.reached.set()
        await self._opened.wait()


class ProviderDouble(AccountsDouble):
    """Knows a few test cards; keeps the first answer to every key."""

    def __init__(self) -> None:
        """Without intents; `calls` lists every call as (operation, key or id).

        A gate named `confirm` holds the call up, one named `confirm.answer` holds its answer up.
        """
        super().__init__()
        self.calls: list[tuple[str, str]] = []
        self.gates: dict[str, Gate] = {}
        self._answers: dict[str, Intent | ProviderRefund | ProviderDispute | MovementPage | Exception] = {}
        self._faults: list[tuple[str, Fault]] = []

    def go_wrong(self, operation: str, fault: Fault, times: int = 1) -> None:
        """Let the next calls of an operation (`create`, `confirm`, `refund` ...) go wrong."""
        self._faults += [(operation, fault)] * times

    def count(self, operation: str) -> int:
        """How often an operation was called."""
        return sum(name == operation for name, _ in self.calls)

    async def create(self, *, key: str, amount_minor: int, currency: str, metadata: dict[str, str]) -> Intent:
        """Open an intent."""

        def execute() -> Intent:
            if amount_minor < _SMALLEST:
                raise CallInvalid("amount_too_small", "amount")
            intent = Intent(id=f"pi_{next(self.numbers)}", status=IntentStatus.REQUIRES_PAYMENT_METHOD)
            self.accounts[intent.id] = Account(intent, amount_minor, currency, metadata.get("order_id"))
            return intent

        return await self._run("create", key, execute)

    async def confirm(self, intent_id: str, *, key: str, payment_method: str) -> Intent:
        """Try to take the money."""
        return await self._run("confirm", key, lambda: self._confirm(intent_id, payment_method))

    def _confirm(self, intent_id: str, payment_method: str) -> Intent:
        account = self.accounts[intent_id]
        if account.intent.status not in CONFIRMABLE:
            return account.intent
        if payment_method not in _CARDS:
            raise CallInvalid("resource_missing", "payment_method")
        account.method = payment_method
        if payment_method in _DECLINES:
            return self._decline(account, _DECLINES[payment_method])
        if payment_method == "pm_card_authenticationRequired":
            action = NextAction(type="redirect_to_url", url=f"https://bank.example/{intent_id}")
            account.intent = Intent(id=intent_id, status=IntentStatus.REQUIRES_ACTION, next_action=action)
            return account.intent
        return self._charge(account)

    def authenticate(self, intent_id: str, *, passes: bool) -> None:
        """What the customer does on the bank's page."""
        account = self.accounts[intent_id]
        if passes:
            self._charge(account)
        else:
            self._decline(account, "authentication_required")

    async def retrieve(self, intent_id: str) -> Intent:
        """The intent as it stands."""
        return await self._run("retrieve", intent_id, lambda: self._account(intent_id).intent, keeps=False)

    def _account(self, intent_id: str) -> Account:
        if intent_id not in self.accounts:
            raise OutcomeUnknown
        return self.accounts[intent_id]

    async def cancel(self, intent_id: str) -> Intent:
        """Give the intent up, if it has taken nothing."""

        def execute() -> Intent:
            account = self._account(intent_id)
            if account.intent.status in CONFIRMABLE:
                account.intent = Intent(id=intent_id, status=IntentStatus.CANCELED)
            return account.intent

        return await self._run("cancel", intent_id, execute, keeps=False)

    async def refund(self, intent_id: str, *, key: str, amount_minor: int, refund_id: str) -> ProviderRefund:
        """Give money back."""

        def execute() -> ProviderRefund:
            account = self.accounts[intent_id]
            if any(dispute.status in _CHARGED_BACK for dispute in account.disputes.values()):
                raise CallInvalid("charge_disputed", None)
            if account.given_back + amount_minor > account.intent.received_minor:
                raise CallInvalid("charge_already_refunded", None)
            account.given_back += amount_minor
            account.amounts[refund_id] = amount_minor
            pends = account.method == "pm_card_pendingRefund"
            status = RefundStatus.PENDING if pends else RefundStatus.SUCCEEDED
            made = account.refunds[refund_id] = ProviderRefund(id=f"re_{next(self.numbers)}", status=status)
            self.balance.add(
                MovementKind.REFUND,
                -amount_minor,
                currency=account.currency,
                source=made.id,
                intent_id=intent_id,
                refund_id=_uuid(refund_id),
            )
            return made

        return await self._run("refund", key, execute)

    def change_refund(self, reference: str, status: RefundStatus) -> None:
        """Let a refund settle, or fail afterwards, which brings its money back."""
        for account in self.accounts.values():
            for refund_id, refund in account.refunds.items():
                if refund.id == reference:
                    account.refunds[refund_id] = replace(refund, status=status)
                    account.given_back -= account.amounts.pop(refund_id, 0) if status is RefundStatus.FAILED else 0
        if status is RefundStatus.FAILED:
            self.balance.fail_refund(reference)

    async def retrieve_refund(self, reference: str) -> ProviderRefund:
        """A refund as it stands."""

        def execute() -> ProviderRefund:
            all_of_them = [refund for account in self.accounts.values() for refund in account.refunds.values()]
            found = [refund for refund in all_of_them if refund.id == reference]
            if not found:
                raise CallInvalid("resource_missing", "id")
            return found[0]

        return await self._run("retrieve", reference, execute, keeps=False)

    async def find_refund(self, intent_id: str, *, refund_id: str) -> ProviderRefund | None:
        """The refund that carries our id."""
        self.calls.append(("list", intent_id))
        return self._account(intent_id).refunds.get(refund_id)

    async def list_movements(self, *, since: datetime | None, after: str | None = None) -> MovementPage:
        """A page of the balance's movements."""
        return await self._run("movements", after or "", lambda: self.balance.page(since, after), keeps=False)

    async def retrieve_dispute(self, reference: str) -> ProviderDispute:
        """A dispute as it stands."""
        return await self._run("retrieve", reference, lambda: self.found_dispute(reference), keeps=False)

    def stick(self, key: str) -> None:
        """Answer a key with an error from now on, whatever came of its call."""
        self._answers[key] = ProviderBroken()

    def keep(self, key: str, answer: Intent) -> None:
        """Answer a key as it was answered first, whatever has come of its call since."""
        self._answers[key] = answer

    def forget_keys(self) -> None:
        """A day has passed: the same call under the same key executes again."""
        self._answers.clear()

    async def _run(self, operation: str, key: str, execute: Callable[[], Answer], *, keeps: bool = True) -> Answer:
        self.calls.append((operation, key))
        await self._pass(operation)
        fault = next((fault for name, fault in self._faults if name == operation), None)
        if fault is not None:
            self._faults.remove((operation, fault))
        if fault is Fault.DROP_REQUEST:
            raise OutcomeUnknown
        if fault is Fault.ERROR_500 and keeps:
            self._answers.setdefault(key, ProviderBroken())
        found = self._answers.get(key) or self._executed(execute, fault)
        if keeps:
            self._answers[key] = found
        await self._pass(f"{operation}.answer")
        if fault is Fault.DROP_ANSWER:
            raise OutcomeUnknown
        if isinstance(found, Exception):
            raise found
        return found  # type: ignore[return-value]  # a key belongs to one operation

    @staticmethod
    def _executed(execute: Callable[[], Answer], fault: Fault | None) -> Answer | ProviderBroken:
        done = execute()
        return ProviderBroken() if fault is Fault.ERROR_500_AFTER else done

    async def _pass(self, gate: str) -> None:
        if gate in self.gates:
            await self.gates[gate].hold()

    def _charge(self, account: Account) -> Intent:
        account.intent = Intent(
            id=account.intent.id, status=IntentStatus.SUCCEEDED, received_minor=account.amount_minor
        )
        self.balance.charge(
            account.intent.id, account.amount_minor, currency=account.currency, order_id=account.order_id
        )
        return account.intent

    def _decline(self, account: Account, code: str) -> Intent:
        account.intent = Intent(id=account.intent.id, status=IntentStatus.REQUIRES_PAYMENT_METHOD, decline_code=code)
        return account.intent


def _uuid(written: str) -> UUID | None:
    """Ours, or none: a refund that was made by hand carries no id of ours."""
    try:
        return UUID(written)
    except ValueError:
        return None
