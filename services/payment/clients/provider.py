"""The wire to the payment provider: what is asked of it, and the three ways in which an answer can be missing."""

from datetime import datetime
from typing import Protocol

from services.payment.domain.intents import Intent, ProviderDispute, ProviderRefund
from services.payment.domain.reconciliation import MovementPage


class OutcomeUnknown(Exception):
    """No answer came: the call may have been executed or not. The same call under the same key finds out."""


class ProviderBroken(OutcomeUnknown):
    """The provider has executed the call and keeps an error as its answer: it gives that for the key for a day."""


class CallInvalid(Exception):
    """The provider refused the call as invalid: nothing was executed. `param` names what it did not like."""

    def __init__(self, code: str, param: str | None) -> None:
        """Keep the provider's code."""
        super().__init__(code)
        self.code = code
        self.param = param


class Provider(Protocol):
    """Every command carries a key, and the same command under the same key is executed once.

    All of them raise `OutcomeUnknown` when no answer came, and `CallInvalid` when the call was refused as invalid;
    `retrieve`, `cancel` and `find_refund` do not: a provider that denies an intent we know of has told nothing of it.
    """

    async def create(self, *, key: str, amount_minor: int, currency: str, metadata: dict[str, str]) -> Intent:
        """Open an intent without confirming it."""
        ...

    async def confirm(self, intent_id: str, *, key: str, payment_method: str) -> Intent:
        """Try to take the money; answers the intent as it stands then, a decline included."""
        ...

    async def retrieve(self, intent_id: str) -> Intent:
        """The intent as it stands."""
        ...

    async def cancel(self, intent_id: str) -> Intent:
        """Give the intent up; answers it as it stands then, which is not canceled when it had succeeded."""
        ...

    async def refund(self, intent_id: str, *, key: str, amount_minor: int, refund_id: str) -> ProviderRefund:
        """Give money back. `refund_id` is our own id, kept with it."""
        ...

    async def retrieve_refund(self, reference: str) -> ProviderRefund:
        """A refund as it stands."""
        ...

    async def find_refund(self, intent_id: str, *, refund_id: str) -> ProviderRefund | None:
        """The refund of an intent that has our id, looked for in the list."""
        ...

    async def list_movements(self, *, since: datetime | None, after: str | None = None) -> MovementPage:
        """A page of the balance's movements from a moment on, newest first; `after` is what the page before gave."""
        ...

    async def retrieve_dispute(self, reference: str) -> ProviderDispute:
        """A dispute as it stands."""
        ...
