"""The provider's records against ours: the same money moved there and here, and nobody was charged twice."""

from services.local.audit.checks import PROVIDER, Compare, Count, Found, Join, Row, Rows, Side, Times, Told

CHARGED_TWICE = """
SELECT json_extract(body, '$.metadata.order_id') AS subject, count(*) AS charges,
    group_concat(json_extract(body, '$.payment_intent')) AS intents
FROM object WHERE kind = 'charge' AND json_extract(body, '$.status') = 'succeeded'
GROUP BY 1 HAVING count(*) > 1
"""
_MOVED = """
WITH moved AS (
    SELECT json_extract(body, '$.source') AS source, json_extract(body, '$.type') AS type,
        json_extract(body, '$.amount') AS amount, json_extract(body, '$.fee') AS fee, created
    FROM object WHERE kind = 'balance_transaction'
)
SELECT json_extract(object.body, '$.payment_intent') AS id,
    max(json_extract(object.body, '$.metadata.order_id')) AS order_id,
    sum(CASE WHEN type = 'charge' THEN amount ELSE 0 END) AS captured,
    sum(CASE WHEN type IN ('refund', 'refund_failure') THEN -amount ELSE 0 END) AS refunded,
    sum(CASE WHEN type = 'adjustment' THEN amount - fee ELSE 0 END) AS disputed,
    max(moved.created) < :before AS is_settled
FROM moved JOIN object ON object.id = moved.source
WHERE type IN ('charge', 'refund', 'refund_failure', 'adjustment')
GROUP BY 1 ORDER BY 1
"""
_PAYMENT = """
SELECT intent_id AS id, payment.id AS payment_id, order_id, captured_minor, refunded_minor,
    coalesce(refunds.pending, 0) AS pending_minor, coalesce(disputes.minor, 0) AS disputed_minor,
    coalesce(attempts.is_settled, true)
        AND coalesce(refunds.is_settled, true) AND payment.updated_at < %(before)s AS is_settled
FROM payment
LEFT JOIN (
    SELECT payment_id, sum(amount_minor) FILTER (WHERE status = 'pending')::bigint AS pending,
        bool_and(created_at < %(before)s) AS is_settled
    FROM refund GROUP BY payment_id
) AS refunds ON refunds.payment_id = payment.id
LEFT JOIN (
    SELECT payment_id, bool_and(status <> 'open' OR at + interval '40 seconds' < %(before)s) AS is_settled
    FROM attempt GROUP BY payment_id
) AS attempts ON attempts.payment_id = payment.id
LEFT JOIN (
    SELECT order_id, sum(amount_minor)::bigint AS minor
    FROM ledger_entry JOIN ledger_transaction ON ledger_transaction.id = transaction_id
    WHERE account = 'stripe_clearing' AND kind IN ('dispute_withdrawn', 'dispute_reinstated') GROUP BY order_id
) AS disputes USING (order_id)
WHERE intent_id IS NOT NULL ORDER BY intent_id COLLATE "C"
"""
_CHARGES = """
SELECT kind || ':' || id AS id, amount, created + 30 < :before AS is_settled FROM (
    SELECT id, 'fee' AS kind, created, json_extract(body, '$.fee')
        - CASE json_extract(body, '$.type') WHEN 'stripe_fee' THEN json_extract(body, '$.amount') ELSE 0 END AS amount
    FROM object WHERE kind = 'balance_transaction' AND json_extract(body, '$.type') <> 'adjustment'
    UNION ALL
    SELECT id, 'payout', created, -json_extract(body, '$.amount')
    FROM object WHERE kind = 'balance_transaction' AND json_extract(body, '$.type') = 'payout'
) WHERE amount <> 0 ORDER BY 1
"""
_BOOKED = """
SELECT idempotency_key AS id, coalesce(sum(amount_minor) FILTER (WHERE account IN ('stripe_fees', 'bank')), 0)::bigint
    AS amount
FROM ledger_transaction JOIN ledger_entry ON transaction_id = ledger_transaction.id
WHERE kind IN ('fee', 'payout') GROUP BY idempotency_key ORDER BY idempotency_key COLLATE "C"
"""
DIFFERENCE_IS_UNRESOLVED = """
SELECT subject_id AS subject, subject AS about, difference, order_id, here_minor, ledger_minor, provider_minor,
    first_seen, last_seen
FROM reconciliation_difference WHERE resolved_at IS NULL AND first_seen + interval '1 minute' < %(before)s
"""


def _is_settled(found: Found) -> bool:
    return all(side.is_settled for side in (found.provider, found.ours) if side is not None)


def _capture_differs(found: Found, _: Times) -> Told | None:
    if not _is_settled(found):
        return None
    there = found.provider.captured if found.provider else 0
    here = found.ours.captured_minor if found.ours else 0
    return {"order_id": _order_of(found), "at_provider": there, "here": here} if there != here else None


def _refund_differs(found: Found, _: Times) -> Told | None:
    """The provider books a refund when it takes it, we when it went through: in between it is pending here."""
    if not _is_settled(found):
        return None
    there = found.provider.refunded if found.provider else 0
    least = found.ours.refunded_minor if found.ours else 0
    most = least + (found.ours.pending_minor if found.ours else 0)
    if least <= there <= most:
        return None
    return {"order_id": _order_of(found), "at_provider": there, "here": least, "pending_here": most - least}


def _dispute_differs(found: Found, _: Times) -> Told | None:
    if not _is_settled(found):
        return None
    there = found.provider.disputed if found.provider else 0
    here = found.ours.disputed_minor if found.ours else 0
    return {"order_id": _order_of(found), "at_provider": there, "here": here} if there != here else None


def _movement_unbooked(found: Found, _: Times) -> Told | None:
    """Fees and payouts are booked by a job that comes by every 15 seconds."""
    if found.provider is not None and not found.provider.is_settled:
        return None
    there = found.provider.amount if found.provider else 0
    here = found.ours.amount if found.ours else 0
    return {"at_provider": there, "here": here} if there != here else None


def _order_of(found: Found) -> Row:
    return found.ours.order_id if found.ours else found.provider.order_id


ROWS = (
    Rows(invariant="I4", name="charged-twice", service=PROVIDER, finds=CHARGED_TWICE),
    Rows(invariant="I5", name="difference-unresolved", service="payment", finds=DIFFERENCE_IS_UNRESOLVED),
)
MOVEMENTS = Join(
    sides={"provider": Side(service=PROVIDER, rows=_CHARGES), "ours": Side(service="payment", rows=_BOOKED)},
    compares=(Compare(invariant="I5", name="movement-unbooked", wrong=_movement_unbooked),),
)
MONEY = Join(
    sides={"provider": Side(service=PROVIDER, rows=_MOVED), "ours": Side(service="payment", rows=_PAYMENT)},
    compares=(
        Compare(invariant="I5", name="capture-differs", wrong=_capture_differs),
        Compare(invariant="I5", name="refund-differs", wrong=_refund_differs),
        Compare(invariant="I5", name="dispute-differs", wrong=_dispute_differs),
    ),
)
COUNTS = (
    Count(
        invariant="I4",
        noun="charges",
        service=PROVIDER,
        counts="SELECT count(*) FROM object WHERE kind = 'charge'",
    ),
    Count(
        invariant="I5",
        noun="balance transactions",
        service=PROVIDER,
        counts="SELECT count(*) FROM object WHERE kind = 'balance_transaction'",
    ),
)
