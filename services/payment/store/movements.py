"""The mirror of the provider's balance, and what is booked from it: payouts, and fees except those of disputes.

What a dispute takes and its fee are one transaction, booked with the dispute.
"""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payment.domain.reconciliation import Movement

BOOKED_AT_ONCE = 500

_KEEP = text("""
INSERT INTO provider_movement (id, kind, amount_minor, fee_minor, currency, source, intent_id, order_id, refund_id,
    created_at, mirrored_at, is_booked)
VALUES (:id, :kind, :amount_minor, :fee_minor, :currency, :source, :intent_id, :order_id, :refund_id,
    :created_at, :now, :kind = 'dispute' OR :fee_minor = 0 AND :kind NOT IN ('fee', 'payout'))
ON CONFLICT (id) DO NOTHING
""")
_BOOK = text("""
WITH due AS (
    SELECT * FROM provider_movement WHERE NOT is_booked ORDER BY id LIMIT :most FOR UPDATE SKIP LOCKED
), wanted AS (
    SELECT id, 'fee' AS kind, 'stripe_fees' AS debit, intent_id, currency,
        fee_minor - CASE kind WHEN 'fee' THEN amount_minor ELSE 0 END AS minor FROM due
    UNION ALL
    SELECT id, 'payout', 'bank', NULL, currency, -amount_minor FROM due WHERE kind = 'payout'
), booked AS (
    INSERT INTO ledger_transaction (id, idempotency_key, kind, order_id, at)
    SELECT CAST(md5(wanted.kind || ':' || wanted.id) AS uuid), wanted.kind || ':' || wanted.id, wanted.kind,
        payment.order_id, :now
    FROM wanted LEFT JOIN payment ON payment.intent_id = wanted.intent_id WHERE wanted.minor <> 0
    ON CONFLICT (idempotency_key) DO NOTHING
    RETURNING id, idempotency_key
), entries AS (
    INSERT INTO ledger_entry (transaction_id, account, amount_minor, currency)
    SELECT booked.id, leg.account, leg.sign * wanted.minor, wanted.currency
    FROM booked JOIN wanted ON booked.idempotency_key = wanted.kind || ':' || wanted.id
    CROSS JOIN LATERAL (VALUES (wanted.debit, 1), ('stripe_clearing', -1)) AS leg (account, sign)
    RETURNING transaction_id
), done AS (
    UPDATE provider_movement SET is_booked = true WHERE id IN (SELECT id FROM due) RETURNING id
)
SELECT count(*) FROM done
""")


async def keep(session: AsyncSession, movements: Sequence[Movement], *, now: datetime) -> None:
    """Mirror a page; what is known stays as it was first seen."""
    if movements:
        await session.execute(_KEEP, [asdict(one) | {"now": now} for one in movements])


async def book_some(session: AsyncSession, *, now: datetime) -> int:
    """Book the fees and payouts of some movements that were mirrored, each once; answers of how many (0: none left)."""
    looked_at: int = (await session.execute(_BOOK, {"most": BOOKED_AT_ONCE, "now": now})).scalar_one()
    return looked_at
