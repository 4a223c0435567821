"""What the provider for tests keeps: the account of every intent, its disputes, and the balance that they move."""

from dataclasses import dataclass, field, replace
from itertools import count

from services.payment.clients.balance_double import BalanceDouble
from services.payment.clients.provider import CallInvalid
from services.payment.domain.intents import DisputeStatus, FundsMoved, Intent, ProviderDispute, ProviderRefund
from services.payment.domain.reconciliation import MovementKind

_DISPUTE_FEE = 1500


@dataclass
class Account:
    """An intent and what belongs to it."""

    intent: Intent
    amount_minor: int
    currency: str
    order_id: str | None = None
    method: str = ""
    refunds: dict[str, ProviderRefund] = field(default_factory=dict)
    amounts: dict[str, int] = field(default_factory=dict)
    given_back: int = 0
    disputes: dict[str, ProviderDispute] = field(default_factory=dict)


class AccountsDouble:
    """The accounts, and what customers' banks do to them."""

    def __init__(self) -> None:
        """Without any."""
        self.accounts: dict[str, Account] = {}
        self.balance = BalanceDouble()
        self.settles_in: str | None = None
        """The currency that disputes are settled in; None: their own."""
        self.numbers = count(1)

    def dispute(
        self, intent_id: str, *, amount_minor: int | None = None, status: DisputeStatus = DisputeStatus.OPEN
    ) -> str:
        """What a customer's bank does; answers the dispute's id. An inquiry takes no money."""
        account, reference = self.accounts[intent_id], f"du_{next(self.numbers)}"
        account.disputes[reference] = ProviderDispute(
            id=reference,
            intent_id=intent_id,
            status=status,
            amount_minor=amount_minor or account.amount_minor,
            currency=account.currency,
            reason="fraudulent",
        )
        if status is DisputeStatus.OPEN:
            self.withdraw(reference)
        return reference

    def withdraw(self, reference: str) -> None:
        """The provider takes the disputed money, and a fee."""
        dispute = self.found_dispute(reference)
        funds = self._funds(dispute, fee_minor=_DISPUTE_FEE)
        self._keep(replace(dispute, status=DisputeStatus.OPEN, withdrawn=funds))
        self._move(dispute, -funds.amount_minor, fee_minor=funds.fee_minor)

    def close_dispute(self, reference: str, status: DisputeStatus) -> None:
        """The bank decides; a dispute that is won brings the money back."""
        dispute = replace(self.found_dispute(reference), status=status)
        if status is DisputeStatus.WON and dispute.withdrawn is not None:
            dispute = replace(dispute, reinstated=self._funds(dispute))
            self._move(dispute, dispute.amount_minor)
        self._keep(dispute)

    def found_dispute(self, reference: str) -> ProviderDispute:
        """A dispute that exists.

        :raises CallInvalid: there is none.
        """
        found = [account.disputes[reference] for account in self.accounts.values() if reference in account.disputes]
        if not found:
            raise CallInvalid("resource_missing", "dispute")
        return found[0]

    def _funds(self, dispute: ProviderDispute, *, fee_minor: int = 0) -> FundsMoved:
        currency = self.settles_in or dispute.currency
        return FundsMoved(amount_minor=dispute.amount_minor, fee_minor=fee_minor, currency=currency)

    def _keep(self, dispute: ProviderDispute) -> None:
        self.accounts[str(dispute.intent_id)].disputes[dispute.id] = dispute

    def _move(self, dispute: ProviderDispute, amount_minor: int, *, fee_minor: int = 0) -> None:
        self.balance.add(
            MovementKind.DISPUTE,
            amount_minor,
            fee_minor=fee_minor,
            currency=self.settles_in or dispute.currency,
            source=dispute.id,
            intent_id=dispute.intent_id,
        )
