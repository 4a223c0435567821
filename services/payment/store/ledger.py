"""The ledger: double entry, append-only; entries of one transaction sum to zero (a deferred constraint checks it).

A debit is positive, so what an account of ours holds is positive, and revenue and debts to customers are negative.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid5

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payment.domain.payment import Payment

_BOOK = text("""
WITH booked AS (
    INSERT INTO ledger_transaction (id, idempotency_key, kind, order_id, at) VALUES (:id, :key, :kind, :order_id, :at)
    ON CONFLICT (idempotency_key) DO NOTHING RETURNING id
)
INSERT INTO ledger_entry (transaction_id, account, amount_minor, currency)
SELECT booked.id, account, amount_minor, :currency
FROM booked, unnest(CAST(:accounts AS text[]), CAST(:amounts AS bigint[])) AS entry (account, amount_minor)
RETURNING transaction_id
""")
_IS_BOOKED = text("SELECT EXISTS (SELECT FROM ledger_transaction WHERE idempotency_key = :key)")
_CLEARING = "stripe_clearing"
_FEES = "stripe_fees"


@dataclass(frozen=True, kw_only=True)
class _Posting:
    debit: str
    credit: str


_POSTINGS: Mapping[str, _Posting] = {
    "capture": _Posting(debit=_CLEARING, credit="revenue"),
    "refund_promised": _Posting(debit="revenue", credit="refunds_payable"),
    "refund": _Posting(debit="refunds_payable", credit=_CLEARING),
    "refund_failure": _Posting(debit=_CLEARING, credit="refunds_payable"),
    "debt_released": _Posting(debit="refunds_payable", credit="revenue"),
    "dispute_withdrawn": _Posting(debit="dispute_hold", credit=_CLEARING),
    "dispute_reinstated": _Posting(debit=_CLEARING, credit="dispute_hold"),
    "dispute_lost": _Posting(debit="revenue", credit="dispute_hold"),
    "dispute_recovered": _Posting(debit="dispute_hold", credit="revenue"),
}
"""A promised refund is owed until it has gone through, and again when it fails afterwards; a lost dispute that took
what was owed releases the debt. What a dispute takes is held until it is decided."""


async def book(  # noqa: PLR0913 - a movement has so many sides
    session: AsyncSession, kind: str, payment: Payment, *, of: object, minor: int, at: datetime, fee_minor: int = 0
) -> bool:
    """Book a movement once; the same one again changes nothing. Answers whether it was booked now.

    :param kind: one of the kinds above.
    :param of: the id of the payment, the refund or the dispute; with the kind it is the transaction's idempotency key.
    :param minor: how much, in minor units of the payment's currency.
    :param fee_minor: what the provider takes for it besides, out of what it holds for us.
    """
    key = f"{kind}:{of}"
    entries = _entries(_POSTINGS[kind], minor, fee_minor)
    values = {"id": uuid5(payment.id, key), "key": key, "kind": kind, "order_id": payment.order_id, "at": at}
    values |= {"accounts": list(entries), "amounts": list(entries.values()), "currency": payment.currency}
    return bool((await session.execute(_BOOK, values)).all())


def _entries(posting: _Posting, minor: int, fee_minor: int) -> dict[str, int]:
    entries = {posting.debit: minor, posting.credit: -minor}
    if fee_minor:
        entries |= {_CLEARING: entries[_CLEARING] - fee_minor, _FEES: fee_minor}
    return {account: amount for account, amount in entries.items() if amount}


async def is_booked(session: AsyncSession, key: str) -> bool:
    """Whether a movement was booked, by its idempotency key `<kind>:<id>`."""
    found: bool = (await session.execute(_IS_BOOKED, {"key": key})).scalar_one()
    return found
