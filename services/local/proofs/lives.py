"""The lives of payments that the webhook permutations tell in every order: what happens, which event tells of it."""

import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from services.contracts.money import Money
from services.payment.clients.provider_double import ProviderDouble
from services.payment.domain.intents import DisputeStatus, RefundStatus
from services.payment.domain.payables import PENDING, Payable, PayableState
from services.payment.domain.payment import payment_id_of
from services.payment.operations import closing, paying, refunding, settling
from services.payment.operations.paying import Pay
from services.payment.operations.refunding import AskRefund
from services.payment.operations.till import Till

CURRENCY = "EUR"
TOTAL_MINOR = 2500
REFUND_MINOR = 1000
DISPUTE_FEE_MINOR = 1500

Entry = tuple[str, str, int]
"""A kind of ledger transaction, an account, and minor units."""


@dataclass(kw_only=True)
class Life:
    """A payment, how far it has come at the provider, and the order in which its events arrive.

    `again` are the events that are delivered more than once.
    """

    script: "Script"
    order: Sequence[str]
    again: frozenset[str]
    order_id: UUID = field(default_factory=uuid4)
    stage: int = 0
    intent_id: str = ""
    reference: str = ""
    refund_id: str = ""

    @property
    def payment_id(self) -> UUID:
        """The order's one payment."""
        return payment_id_of(self.order_id)

    def letter(self, kind: str, *, copy: int = 0) -> bytes:
        """The event that tells of something; a copy is another event that tells the same."""
        about = self.script.about(self, kind)
        event = {"id": f"evt_{self.order_id.hex}_{kind}_{copy}", "object": "event", "type": kind}
        return json.dumps(event | {"data": {"object": about}}).encode()

    def __str__(self) -> str:
        """For people."""
        twice = f", again {', '.join(sorted(self.again))}" if self.again else ""
        return f"{self.script.name}: {', '.join(self.order)}{twice}"


@dataclass(frozen=True, kw_only=True)
class Script:
    """What happens in a life: `stages` gives each event the stage that it tells of, `steps` lead from one to the next.

    `lost` is the call to the provider whose answer is lost in each step, so that nobody but an event tells.
    """

    name: str
    stages: dict[str, int]
    steps: Sequence[Callable[[Till, ProviderDouble, Life], Awaitable[None]]]
    lost: Sequence[str | None]
    about: Callable[[Life, str], dict[str, Any]]
    ledger: frozenset[Entry]
    facts: Sequence[str]


async def _begin(till: Till, life: Life, method: str) -> None:
    payable = Payable(
        order_id=life.order_id,
        user_id=life.order_id,
        amount_minor=TOTAL_MINOR,
        currency=CURRENCY,
        state=PayableState.OPEN,
        order_version=1,
        order_status=PENDING,
    )
    async with till.database.begin() as session:
        await closing.keep_order(session, payable)
    command = Pay(
        id=uuid4(), user_id=life.order_id, order_id=life.order_id, payment_method=method, fingerprint=life.order_id.hex
    )
    paid = await paying.pay(till, command, at=till.clock())
    life.intent_id = str(paid.tried.payment.intent_id)


async def _pay_for_a_slow_bank(till: Till, _: ProviderDouble, life: Life) -> None:
    await _begin(till, life, "pm_card_pendingRefund")


async def _pay(till: Till, _: ProviderDouble, life: Life) -> None:
    await _begin(till, life, "pm_card_visa")


async def _refund(till: Till, provider: ProviderDouble, life: Life) -> None:
    """Staff refund a part, once the payment is known to have succeeded, if need be by asking."""
    await settling.settle(till, life.payment_id, at=till.clock())
    ask = AskRefund(
        id=uuid4(),
        payment_id=life.payment_id,
        amount=Money.of(REFUND_MINOR, CURRENCY),
        reason=None,
        fingerprint=life.order_id.hex,
        token="",
    )
    refunded = await refunding.refund(till, ask, at=till.clock())
    life.refund_id = str(refunded.refund.id)
    life.reference = provider.accounts[life.intent_id].refunds[life.refund_id].id


async def _settle_refund(_: Till, provider: ProviderDouble, life: Life) -> None:
    provider.change_refund(life.reference, RefundStatus.SUCCEEDED)


async def _dispute(_: Till, provider: ProviderDouble, life: Life) -> None:
    life.reference = provider.dispute(life.intent_id)


async def _win(_: Till, provider: ProviderDouble, life: Life) -> None:
    provider.close_dispute(life.reference, DisputeStatus.WON)


async def _lose(_: Till, provider: ProviderDouble, life: Life) -> None:
    provider.close_dispute(life.reference, DisputeStatus.LOST)


def _about_payment(life: Life, kind: str) -> dict[str, Any]:
    if kind.startswith("payment_intent."):
        return {"object": "payment_intent", "id": life.intent_id}
    if kind.startswith("charge."):
        return {"object": "charge", "id": f"ch_{life.intent_id}", "payment_intent": life.intent_id}
    status = "succeeded" if kind == "refund.updated" else "pending"
    return {"object": "refund", "id": life.reference, "status": status, "metadata": {"refund_id": life.refund_id}}


def _about_dispute(life: Life, _: str) -> dict[str, Any]:
    return {"object": "dispute", "id": life.reference, "payment_intent": life.intent_id}


def _moved(kind: str, debit: str, credit: str, minor: int) -> set[Entry]:
    return {(kind, debit, minor), (kind, credit, -minor)}


_CAPTURED = _moved("capture", "stripe_clearing", "revenue", TOTAL_MINOR)
_WITHDRAWN = {
    ("dispute_withdrawn", "dispute_hold", TOTAL_MINOR),
    ("dispute_withdrawn", "stripe_fees", DISPUTE_FEE_MINOR),
    ("dispute_withdrawn", "stripe_clearing", -TOTAL_MINOR - DISPUTE_FEE_MINOR),
}
_DISPUTED = {"charge.dispute.created": 2, "charge.dispute.funds_withdrawn": 2, "charge.dispute.updated": 2}
_FACTS = ("payment.succeeded", "payment.disputed", "payment.dispute_closed")

PAID_AND_REFUNDED = Script(
    name="paid and partly refunded",
    stages={
        "payment_intent.created": 1,
        "payment_intent.succeeded": 1,
        "charge.succeeded": 1,
        "refund.created": 2,
        "charge.refunded": 2,
        "refund.updated": 3,
    },
    steps=(_pay_for_a_slow_bank, _refund, _settle_refund),
    lost=("confirm", "refund", None),
    about=_about_payment,
    ledger=frozenset(
        _CAPTURED
        | _moved("refund_promised", "revenue", "refunds_payable", REFUND_MINOR)
        | _moved("refund", "refunds_payable", "stripe_clearing", REFUND_MINOR)
    ),
    facts=("payment.succeeded", "payment.refunded"),
)
DISPUTED_AND_WON = Script(
    name="disputed and won",
    stages=_DISPUTED | {"charge.dispute.funds_reinstated": 3, "charge.dispute.closed": 3},
    steps=(_pay, _dispute, _win),
    lost=(None, None, None),
    about=_about_dispute,
    ledger=frozenset(
        _CAPTURED | _WITHDRAWN | _moved("dispute_reinstated", "stripe_clearing", "dispute_hold", TOTAL_MINOR)
    ),
    facts=_FACTS,
)
DISPUTED_AND_LOST = Script(
    name="disputed and lost",
    stages=_DISPUTED | {"charge.dispute.closed": 3},
    steps=(_pay, _dispute, _lose),
    lost=(None, None, None),
    about=_about_dispute,
    ledger=frozenset(_CAPTURED | _WITHDRAWN | _moved("dispute_lost", "revenue", "dispute_hold", TOTAL_MINOR)),
    facts=_FACTS,
)
SCRIPTS = (PAID_AND_REFUNDED, DISPUTED_AND_WON, DISPUTED_AND_LOST)
