"""Comparing orders, ledger and provider: joins in the database, where all three lie side by side.

Every part answers the same columns, with the class of the difference or NULL where nothing differs. `:young` is the
moment after which something may still come right by itself.
"""

from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from services.payment.store import touched
from services.shared.database import allow

_CLEARING = """
SELECT ledger_transaction.idempotency_key, kind, order_id, at, amount_minor, currency
FROM ledger_transaction JOIN ledger_entry ON transaction_id = ledger_transaction.id AND account = 'stripe_clearing'
"""
_CHARGES = """
SELECT 'charge' AS subject, COALESCE(CAST(payment.id AS text), there.reference) AS subject_id,
    CASE
        WHEN payment.id IS NULL AND payable.order_id IS NULL AND there.order_id IS NOT NULL THEN 'orphan_order'
        WHEN payment.id IS NULL AND other.captured_minor > 0 THEN 'duplicate'
        WHEN payment.id IS NULL THEN CASE WHEN there.at > :young THEN 'late' ELSE 'missing_here' END
        WHEN there.times > 1 THEN 'duplicate'
        WHEN there.reference IS NULL AND payment.captured_minor = 0 AND booked.at IS NULL THEN NULL
        WHEN there.reference IS NULL
            THEN CASE WHEN COALESCE(booked.at, payment.updated_at) > :young THEN 'late' ELSE 'missing_there' END
        WHEN payment.captured_minor = 0 THEN CASE WHEN there.at > :young THEN 'late' ELSE 'missing_here' END
        WHEN payment.currency <> payable.currency OR payment.currency <> booked.currency THEN 'currency'
        WHEN payment.currency <> there.currency THEN 'settlement'
        WHEN booked.at IS NULL THEN 'missing_here'
        WHEN payment.captured_minor <> there.minor OR payment.captured_minor <> booked.amount_minor
            OR payment.captured_minor <> payable.amount_minor THEN 'amount'
    END AS difference,
    COALESCE(payment.order_id, there.order_id) AS order_id, COALESCE(payment.id, other.id) AS payment_id,
    COALESCE(there.intent_id, there.reference, payment.intent_id) AS reference,
    COALESCE(there.currency, payment.currency) AS currency, payable.amount_minor AS order_minor,
    payment.captured_minor AS here_minor, booked.amount_minor AS ledger_minor, there.minor AS provider_minor
FROM payment FULL JOIN (
    SELECT COALESCE(intent_id, source, id) AS reference, min(intent_id) AS intent_id, min(currency) AS currency,
        CAST(min(CAST(order_id AS text)) AS uuid) AS order_id, CAST(sum(amount_minor) AS bigint) AS minor,
        count(*) AS times, max(LEAST(created_at, mirrored_at)) AS at
    FROM provider_movement WHERE kind = 'charge' GROUP BY 1
) AS there ON there.reference = payment.intent_id
LEFT JOIN payable ON payable.order_id = COALESCE(payment.order_id, there.order_id)
LEFT JOIN payment AS other ON other.order_id = there.order_id AND payment.id IS NULL
LEFT JOIN clearing AS booked ON booked.idempotency_key = 'capture:' || payment.id
"""
_REFUNDS = """
SELECT 'refund', COALESCE(CAST(refund.id AS text), there.source),
    CASE
        WHEN refund.id IS NULL AND there.minor = 0 THEN NULL
        WHEN there.is_again THEN 'duplicate'
        WHEN refund.id IS NULL THEN 'missing_here'
        WHEN there.source IS NULL AND refund.status <> 'succeeded' THEN NULL
        WHEN there.source IS NULL
            THEN CASE WHEN COALESCE(booked.at, refund.created_at) > :young THEN 'late' ELSE 'missing_there' END
        WHEN there.currency <> refund.currency THEN 'settlement'
        WHEN there.given <> -refund.amount_minor THEN 'amount'
        WHEN refund.status = 'pending' THEN CASE
            WHEN refund.provider_reference IS NOT NULL AND there.minor <> 0 OR there.at > :young THEN 'late'
            ELSE 'missing_here' END
        WHEN refund.status = 'succeeded' AND there.minor = 0 OR refund.status = 'failed' AND there.minor <> 0
            THEN CASE WHEN there.at > :young THEN 'late' ELSE 'state' END
        WHEN refund.status = 'succeeded' AND booked.at IS NULL THEN 'missing_here'
        WHEN COALESCE(booked.amount_minor, 0) <> there.minor THEN 'amount'
    END,
    COALESCE(paid.order_id, payment.order_id), COALESCE(paid.id, payment.id),
    COALESCE(there.source, refund.provider_reference), COALESCE(there.currency, refund.currency),
    CAST(NULL AS bigint), CASE refund.status WHEN 'succeeded' THEN -refund.amount_minor WHEN 'failed' THEN 0 END,
    booked.amount_minor, there.minor
FROM refund FULL JOIN (
    SELECT moved.*, COALESCE(named.id, CASE WHEN is_first THEN meant.id END) AS ours,
        named.id IS NULL AND meant.id IS NOT NULL AND NOT is_first AS is_again
    FROM (
        SELECT COALESCE(source, id) AS source, min(intent_id) AS intent_id, min(currency) AS currency,
            CAST(min(CAST(refund_id AS text)) AS uuid) AS refund_id, CAST(sum(amount_minor) AS bigint) AS minor,
            COALESCE(CAST(sum(amount_minor) FILTER (WHERE kind = 'refund') AS bigint), 0) AS given,
            max(LEAST(created_at, mirrored_at)) AS at,
            row_number() OVER (PARTITION BY min(CAST(refund_id AS text)) ORDER BY min(created_at), min(id)) AS place
        FROM provider_movement WHERE kind IN ('refund', 'refund_failure') GROUP BY 1
    ) AS moved
    LEFT JOIN refund AS named ON named.provider_reference = moved.source
    LEFT JOIN refund AS meant ON meant.id = moved.refund_id
    CROSS JOIN LATERAL (SELECT meant.provider_reference IS NULL AND moved.place = 1 AS is_first) AS standing
) AS there ON there.ours = refund.id
LEFT JOIN payment AS paid ON paid.id = refund.payment_id
LEFT JOIN payment ON payment.intent_id = there.intent_id
LEFT JOIN (
    SELECT split_part(idempotency_key, ':', 2) AS refund_id, max(at) AS at,
        CAST(sum(amount_minor) AS bigint) AS amount_minor
    FROM clearing WHERE kind IN ('refund', 'refund_failure') GROUP BY 1
) AS booked ON booked.refund_id = CAST(refund.id AS text)
"""
_DISPUTES = """
SELECT 'dispute', COALESCE(there.source, booked.dispute_id),
    CASE
        WHEN there.source IS NULL THEN CASE WHEN booked.at > :young THEN 'late' ELSE 'missing_there' END
        WHEN there.currency <> payment.currency THEN 'settlement'
        WHEN there.minor = booked.amount_minor AND there.currency = booked.currency THEN NULL
        WHEN there.at > :young THEN 'late'
        WHEN booked.dispute_id IS NULL OR there.times > booked.times THEN 'missing_here'
        WHEN there.times < booked.times THEN 'missing_there'
        WHEN there.currency <> booked.currency THEN 'currency'
        ELSE 'amount'
    END,
    COALESCE(payment.order_id, booked.order_id), payment.id, there.source,
    COALESCE(there.currency, booked.currency), CAST(NULL AS bigint), CAST(NULL AS bigint), booked.amount_minor,
    there.minor
FROM (
    SELECT COALESCE(source, id) AS source, min(intent_id) AS intent_id, min(currency) AS currency,
        CAST(sum(amount_minor - fee_minor) AS bigint) AS minor, count(*) AS times,
        max(LEAST(created_at, mirrored_at)) AS at
    FROM provider_movement WHERE kind = 'dispute' GROUP BY 1
) AS there
FULL JOIN (
    SELECT split_part(idempotency_key, ':', 2) AS dispute_id, min(currency) AS currency, count(*) AS times,
        CAST(sum(amount_minor) AS bigint) AS amount_minor, max(at) AS at,
        CAST(min(CAST(order_id AS text)) AS uuid) AS order_id
    FROM clearing WHERE kind IN ('dispute_withdrawn', 'dispute_reinstated') GROUP BY 1
) AS booked ON booked.dispute_id = there.source
LEFT JOIN payment ON payment.intent_id = there.intent_id
"""
_FEES_AND_PAYOUTS = """
SELECT COALESCE(there.kind, booked.kind), COALESCE(there.id, split_part(booked.idempotency_key, ':', 2)),
    CASE
        WHEN there.id IS NULL THEN 'missing_there'
        WHEN booked.idempotency_key IS NULL THEN 'missing_here'
        WHEN there.currency <> booked.currency THEN 'currency'
        WHEN there.minor <> booked.amount_minor THEN 'amount'
    END,
    CAST(NULL AS uuid), CAST(NULL AS uuid), there.id, COALESCE(there.currency, booked.currency),
    CAST(NULL AS bigint), CAST(NULL AS bigint), booked.amount_minor, there.minor
FROM (
    SELECT id, 'fee' AS kind, currency, CASE kind WHEN 'fee' THEN amount_minor ELSE 0 END - fee_minor AS minor
    FROM provider_movement WHERE is_booked AND kind <> 'dispute' AND (fee_minor <> 0 OR kind = 'fee')
    UNION ALL
    SELECT id, 'payout', currency, amount_minor FROM provider_movement WHERE is_booked AND kind = 'payout'
) AS there
FULL JOIN (SELECT * FROM clearing WHERE kind IN ('fee', 'payout')) AS booked
ON booked.idempotency_key = there.kind || ':' || there.id
"""
_OTHERS = """
SELECT 'other', id, 'missing_here', order_id, CAST(NULL AS uuid), COALESCE(source, id), currency, CAST(NULL AS bigint),
    CAST(NULL AS bigint), CAST(NULL AS bigint), amount_minor
FROM provider_movement WHERE kind = 'other'
"""
_ORDERS = """
SELECT 'order', CAST(payable.order_id AS text),
    CASE
        WHEN order_status IN ('paid', 'shipped', 'delivered') AND money.taken = 0 THEN 'state'
        WHEN order_status IN ('pending', 'paid', 'shipped', 'delivered') AND money.taken = money.returned
            AND money.taken > 0 OR order_status = 'pending' AND money.taken > 0
            OR order_status = 'cancelled' AND money.taken > money.returned + money.promised + money.lost
            OR order_status = 'refunded' AND money.taken > money.returned
            THEN CASE WHEN payment.updated_at > :young THEN 'late' ELSE 'state' END
    END,
    payable.order_id, payment.id, payment.intent_id, payable.currency, CASE
        WHEN order_status IN ('paid', 'shipped', 'delivered') THEN payable.amount_minor ELSE 0 END,
    money.taken - money.returned, CAST(NULL AS bigint), CAST(NULL AS bigint)
FROM payable LEFT JOIN payment ON payment.order_id = payable.order_id
LEFT JOIN (
    SELECT payment_id, CAST(sum(amount_minor) AS bigint) AS minor FROM refund WHERE status = 'pending' GROUP BY 1
) AS pending ON pending.payment_id = payment.id
CROSS JOIN LATERAL (SELECT COALESCE(payment.captured_minor, 0) AS taken,
    COALESCE(payment.refunded_minor, 0) AS returned, COALESCE(pending.minor, 0) AS promised,
    COALESCE(payment.lost_minor, 0) AS lost) AS money
"""
_COLUMNS = """subject, subject_id, difference, order_id, payment_id, reference, currency, order_minor, here_minor,
    ledger_minor, provider_minor"""
_EVERYTHING = (_CHARGES, _REFUNDS, _DISPUTES, _FEES_AND_PAYOUTS, _OTHERS, _ORDERS)
_PARTS = " UNION ALL ".join(_EVERYTHING)
_COMPARE = f"""
clearing AS ({_CLEARING}), compared AS ({_PARTS}), kept AS (
    INSERT INTO reconciliation_difference ({_COLUMNS}, first_seen, last_seen, first_run, last_run)
    SELECT {_COLUMNS}, :now, :now, :run_id, :run_id FROM compared WHERE difference IS NOT NULL
    ON CONFLICT (subject, subject_id, difference) WHERE resolved_at IS NULL DO UPDATE SET
        payment_id = EXCLUDED.payment_id, order_minor = EXCLUDED.order_minor, here_minor = EXCLUDED.here_minor,
        ledger_minor = EXCLUDED.ledger_minor, provider_minor = EXCLUDED.provider_minor,
        last_seen = EXCLUDED.last_seen, last_run = EXCLUDED.last_run
    RETURNING id
), arrived AS (
    DELETE FROM reconciliation_difference WHERE resolved_at IS NULL AND difference = 'late'
        AND NOT EXISTS (SELECT FROM kept WHERE kept.id = reconciliation_difference.id)
)
UPDATE reconciliation_difference SET resolved_at = :now, resolved_run = :run_id
WHERE resolved_at IS NULL AND difference <> 'late'
    AND NOT EXISTS (SELECT FROM kept WHERE kept.id = reconciliation_difference.id)
"""  # noqa: S608 - made of constants
_SUM_UP = """
books AS (
    SELECT 'orders' AS book, payable.currency, 'charge' AS movement, sum(payable.amount_minor) AS minor
    FROM payable JOIN payment ON payment.order_id = payable.order_id WHERE captured_minor > 0 GROUP BY 2
    UNION ALL SELECT 'orders', currency, 'refund', -sum(refunded_minor) FROM payment GROUP BY 2
    UNION ALL
    SELECT 'ledger', currency, CASE WHEN kind = 'capture' THEN 'charge' WHEN kind LIKE 'refund%' THEN 'refund'
        WHEN kind LIKE 'dispute%' THEN 'dispute' ELSE kind END, sum(amount_minor)
    FROM ledger_transaction JOIN ledger_entry ON transaction_id = ledger_transaction.id
    WHERE account = 'stripe_clearing' GROUP BY 2, 3
    UNION ALL
    SELECT 'provider', currency, CASE WHEN kind LIKE 'refund%' THEN 'refund' ELSE kind END,
        sum(CASE kind WHEN 'dispute' THEN amount_minor - fee_minor ELSE amount_minor END)
    FROM provider_movement GROUP BY 2, 3
    UNION ALL
    SELECT 'provider', currency, 'fee', -sum(fee_minor) FROM provider_movement WHERE kind <> 'dispute' GROUP BY 2
), line AS (
    SELECT currency, COALESCE(movement, 'balance') AS movement,
        CAST(CASE WHEN movement IN ('charge', 'refund')
            THEN COALESCE(sum(minor) FILTER (WHERE book = 'orders'), 0) END AS bigint) AS orders_minor,
        CAST(COALESCE(sum(minor) FILTER (WHERE book = 'ledger'), 0) AS bigint) AS ledger_minor,
        CAST(COALESCE(sum(minor) FILTER (WHERE book = 'provider'), 0) AS bigint) AS provider_minor
    FROM books GROUP BY GROUPING SETS ((currency, movement), (currency)) ORDER BY 1, 2
)
UPDATE reconciliation_run SET compared_since = :since, compared_at = now(),
    sums = (SELECT COALESCE(jsonb_agg(to_jsonb(line)), '[]') FROM line),
    counts = jsonb_build_object(
        'orders', (SELECT count(*) FROM payable), 'payments', (SELECT count(*) FROM payment),
        'refunds', (SELECT count(*) FROM refund), 'ledger_transactions', (SELECT count(*) FROM ledger_transaction),
        'provider_movements', (SELECT count(*) FROM provider_movement))
WHERE id = :run_id
"""
_TOUCHED = """
payable AS (SELECT * FROM payable WHERE order_id = ANY(CAST(:orders AS uuid[]))),
payment AS (SELECT * FROM payment WHERE order_id = ANY(CAST(:orders AS uuid[]))),
refund AS (SELECT * FROM refund WHERE payment_id IN (SELECT id FROM payment)),
ledger_transaction AS (
    SELECT * FROM ledger_transaction WHERE order_id = ANY(CAST(:orders AS uuid[]))
    UNION SELECT * FROM ledger_transaction WHERE idempotency_key = ANY(CAST(:keys AS text[]))
),
provider_movement AS (SELECT * FROM provider_movement WHERE id = ANY(CAST(:movements AS text[]))),
"""
"""Each stands in the place of the table that it is named after."""
_COMPARE_ALL, _COMPARE_TOUCHED = text(f"WITH {_COMPARE}"), text(f"WITH {_TOUCHED} {_COMPARE}")
_SUM_UP_ALL, _SUM_UP_TOUCHED = text(f"WITH {_SUM_UP}"), text(f"WITH {_TOUCHED} {_SUM_UP}")
_SNAPSHOT = {"isolation_level": "REPEATABLE READ"}
_PATIENCE = 30 * 60
"""Seconds."""


async def compare(
    session: AsyncSession, run_id: int, *, since: datetime | None, young: datetime, now: datetime
) -> None:
    """Keep what differs now, resolve what no longer does, and sum up what was compared.

    It begins the session's transaction, all of which sees one snapshot.

    :param since: compare only what changed since then, by the database's clock, and what differed; None: everything.
    :param young: what is younger than this may still come right by itself.
    """
    await allow(await session.connection(execution_options=_SNAPSHOT), seconds=_PATIENCE)
    found = await touched.find(session, since=since) if since is not None else None
    values = {"run_id": run_id, "young": young, "now": now}
    if found is None:
        await session.execute(_COMPARE_ALL, values)
        await session.execute(_SUM_UP_ALL, values | {"since": None})
    else:
        values |= {"orders": found.orders, "movements": found.movements, "keys": found.keys}
        await session.execute(_COMPARE_TOUCHED, values)
        await session.execute(_SUM_UP_TOUCHED, values | {"since": since})
