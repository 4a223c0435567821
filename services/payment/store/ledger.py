"""The ledger: double entry, append-only; entries of one transaction sum to zero (a deferred constraint checks it)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payment.domain.payment import Payment

_BOOK = text("""
WITH booked AS (
    INSERT INTO ledger_transaction (id, idempotency_key, kind, order_id, at) VALUES (:id, :key, :kind, :order_id, :at)
)
INSERT INTO ledger_entry (transaction_id, account, amount_minor, currency)
VALUES (:id, :debit, :minor, :currency), (:id, :credit, -CAST(:minor AS bigint), :currency)
""")


@dataclass(frozen=True, kw_only=True)
class _Posting:
    debit: str
    credit: str


_POSTINGS: Mapping[str, _Posting] = {
    "capture": _Posting(debit="stripe_clearing", credit="revenue"),
    "refund": _Posting(debit="revenue", credit="stripe_clearing"),
    "refund_failure": _Posting(debit="stripe_clearing", credit="refunds_payable"),
}


async def book(session: AsyncSession, kind: str, payment: Payment, *, of: UUID, minor: int, at: datetime) -> None:
    """Book a movement once.

    :param kind: `capture`, `refund` or `refund_failure`.
    :param of: the payment or the refund; with the kind it is the transaction's idempotency key.
    :param minor: how much, in minor units of the payment's currency.
    """
    key = f"{kind}:{of}"
    posting = _POSTINGS[kind]
    values = {"id": uuid5(of, key), "key": key, "kind": kind, "order_id": payment.order_id, "at": at}
    values |= {"debit": posting.debit, "credit": posting.credit, "minor": minor, "currency": payment.currency}
    await session.execute(_BOOK, values)
