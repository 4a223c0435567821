"""A provider for tests: in memory, going wrong on demand, and put through the same suite as the real one."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from itertools import count
from typing import TypeVar

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

CONFIRMABLE = frozenset(
    {IntentStatus.REQUIRES_PAYMENT_METHOD, IntentStatus.REQUIRES_CONFIRMATION, IntentStatus.REQUIRES_ACTION}
)
_DECLINES = {
    "pm_card_chargeDeclined": "generic_decline",
    "pm_card_chargeDeclinedInsufficientFunds": "insufficient_funds",
}
_CARDS = frozenset({"pm_card_visa", "pm_card_authenticationRequired", "pm_card_pendingRefund", *_DECLINES})
_SMALLEST = 50
_DISPUTE_FEE = 1500
_CHARGED_BACK = frozenset({DisputeStatus.OPEN, DisputeStatus.LOST})

Answer = TypeVar("Answer", Intent, ProviderRefund, ProviderDispute)


class Fault(StrEnum):
    """What goes wrong with a call: lost on the way there, lost on the way back, or an error that sticks to its key."""

    DROP_REQUEST = "drop_request"
    DROP_ANSWER = "drop_answer"
    ERROR_500 = "error_500"


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


@dataclass
class _Account:
    intent: Intent
    amount_minor: int
    method: str = ""
    refunds: dict[str, ProviderRefund] = field(default_factory=dict)
    given_back: int = 0
    disputes: dict[str, ProviderDispute] = field(default_factory=dict)


class ProviderDouble:
    """Knows a few test cards; keeps the first answer to every key."""

    def __init__(self) -> None:
        """Without intents; `calls` lists every call as (operation, key or id).

        A gate named `confirm` holds the call up, one named `confirm.answer` holds its answer up.
        """
        self.calls: list[tuple[str, str]] = []
        self.gates: dict[str, Gate] = {}
        self.accounts: dict[str, _Account] = {}
        self._answers: dict[str, Intent | ProviderRefund | ProviderDispute | Exception] = {}
        self._faults: list[tuple[str, Fault]] = []
        self._numbers = count(1)

    def go_wrong(self, operation: str, fault: Fault, times: int = 1) -> None:
        """Let the next calls of an operation (`create`, `confirm`, `refund` ...) go wrong."""
        self._faults += [(operation, fault)] * times

    def count(self, operation: str) -> int:
        """How often an operation was called."""
        return sum(name == operation for name, _ in self.calls)

    async def create(self, *, key: str, amount_minor: int, currency: str, metadata: dict[str, str]) -> Intent:  # noqa: ARG002 - the real one's signature
        """Open an intent."""

        def execute() -> Intent:
            if amount_minor < _SMALLEST:
                raise CallInvalid("amount_too_small", "amount")
            intent = Intent(id=f"pi_{next(self._numbers)}", status=IntentStatus.REQUIRES_PAYMENT_METHOD)
            self.accounts[intent.id] = _Account(intent, amount_minor)
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

    def _account(self, intent_id: str) -> _Account:
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
            pends = account.method == "pm_card_pendingRefund"
            status = RefundStatus.PENDING if pends else RefundStatus.SUCCEEDED
            account.refunds[refund_id] = ProviderRefund(id=f"re_{next(self._numbers)}", status=status)
            return account.refunds[refund_id]

        return await self._run("refund", key, execute)

    def change_refund(self, reference: str, status: RefundStatus) -> None:
        """Let a refund settle, or fail afterwards."""
        for account in self.accounts.values():
            for refund_id, refund in account.refunds.items():
                if refund.id == reference:
                    account.refunds[refund_id] = replace(refund, status=status)

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
        return self.accounts[intent_id].refunds.get(refund_id)

    def dispute(
        self, intent_id: str, *, amount_minor: int | None = None, status: DisputeStatus = DisputeStatus.OPEN
    ) -> str:
        """What a customer's bank does; answers the dispute's id. An inquiry takes no money."""
        account, reference = self.accounts[intent_id], f"du_{next(self._numbers)}"
        account.disputes[reference] = ProviderDispute(
            id=reference,
            intent_id=intent_id,
            status=status,
            amount_minor=amount_minor or account.amount_minor,
            currency="EUR",
            reason="fraudulent",
        )
        if status is DisputeStatus.OPEN:
            self.withdraw(reference)
        return reference

    def withdraw(self, reference: str) -> None:
        """The provider takes the disputed money, and a fee."""
        dispute = self._dispute(reference)
        funds = FundsMoved(amount_minor=dispute.amount_minor, fee_minor=_DISPUTE_FEE)
        self._keep(replace(dispute, status=DisputeStatus.OPEN, withdrawn=funds))

    def close_dispute(self, reference: str, status: DisputeStatus) -> None:
        """The bank decides; a dispute that is won brings the money back."""
        dispute = replace(self._dispute(reference), status=status)
        if status is DisputeStatus.WON and dispute.withdrawn is not None:
            dispute = replace(dispute, reinstated=FundsMoved(amount_minor=dispute.amount_minor, fee_minor=0))
        self._keep(dispute)

    def _dispute(self, reference: str) -> ProviderDispute:
        found = [account.disputes[reference] for account in self.accounts.values() if reference in account.disputes]
        if not found:
            raise CallInvalid("resource_missing", "dispute")
        return found[0]

    def _keep(self, dispute: ProviderDispute) -> None:
        self.accounts[str(dispute.intent_id)].disputes[dispute.id] = dispute

    async def retrieve_dispute(self, reference: str) -> ProviderDispute:
        """A dispute as it stands."""
        return await self._run("retrieve", reference, lambda: self._dispute(reference), keeps=False)

    async def list_disputes(self, intent_id: str) -> Sequence[ProviderDispute]:
        """Every dispute of an intent."""
        self.calls.append(("list", intent_id))
        return list(self.accounts[intent_id].disputes.values())

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
        found = self._answers.get(key) or execute()
        if keeps:
            self._answers[key] = found
        await self._pass(f"{operation}.answer")
        if fault is Fault.DROP_ANSWER:
            raise OutcomeUnknown
        if isinstance(found, Exception):
            raise found
        return found  # type: ignore[return-value]  # a key belongs to one operation

    async def _pass(self, gate: str) -> None:
        if gate in self.gates:
            await self.gates[gate].hold()

    def _charge(self, account: _Account) -> Intent:
        account.intent = Intent(
            id=account.intent.id, status=IntentStatus.SUCCEEDED, received_minor=account.amount_minor
        )
        return account.intent

    def _decline(self, account: _Account, code: str) -> Intent:
        account.intent = Intent(id=account.intent.id, status=IntentStatus.REQUIRES_PAYMENT_METHOD, decline_code=code)
        return account.intent
