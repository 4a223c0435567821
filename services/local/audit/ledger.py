"""The ledger: it balances, and it says of every payment what the payment says of itself."""

from services.local.audit.checks import Count, Rows

_PAYMENT = "payment"

TRANSACTION_IS_UNBALANCED = """
SELECT transaction_id AS subject, currency, sum(amount_minor)::bigint AS off_by FROM ledger_entry
GROUP BY transaction_id, currency HAVING sum(amount_minor) <> 0
"""
LEDGER_IS_UNBALANCED = """
SELECT currency AS subject, sum(amount_minor)::bigint AS off_by FROM ledger_entry
GROUP BY currency HAVING sum(amount_minor) <> 0
"""
TRANSACTION_IS_EMPTY = """
SELECT id AS subject, kind, idempotency_key FROM ledger_transaction
WHERE NOT EXISTS (SELECT FROM ledger_entry WHERE transaction_id = ledger_transaction.id)
"""
PAYMENT_DIFFERS_FROM_LEDGER = """
WITH booked AS (
    SELECT order_id, coalesce(sum(amount_minor) FILTER (WHERE kind = 'capture'), 0)::bigint AS captured,
        coalesce(-sum(amount_minor) FILTER (WHERE kind <> 'capture'), 0)::bigint AS refunded
    FROM ledger_transaction JOIN ledger_entry ON transaction_id = id
    WHERE kind IN ('capture', 'refund', 'refund_failure') AND account = 'stripe_clearing' GROUP BY order_id
)
SELECT coalesce(payment.id, order_id) AS subject, captured_minor, refunded_minor, booked.captured AS booked_captured,
    booked.refunded AS booked_refunded
FROM payment FULL JOIN booked USING (order_id)
WHERE payment.id IS NULL
    OR (captured_minor, refunded_minor) <> (coalesce(booked.captured, 0), coalesce(booked.refunded, 0))
"""
OWED_DIFFERS_FROM_LEDGER = """
SELECT payment.id AS subject, order_id, owed_minor, booked.minor AS booked_minor
FROM payment LEFT JOIN (
    SELECT order_id, -sum(amount_minor)::bigint AS minor
    FROM ledger_entry JOIN ledger_transaction ON ledger_transaction.id = transaction_id
    WHERE account = 'refunds_payable' GROUP BY order_id
) AS booked USING (order_id)
WHERE owed_minor <> coalesce(booked.minor, 0)
"""
DISPUTE_HOLDS_TOO_MUCH = """
SELECT payment.id AS subject, order_id, disputed_minor, held.minor AS held_minor
FROM payment LEFT JOIN (
    SELECT order_id, sum(amount_minor)::bigint AS minor
    FROM ledger_entry JOIN ledger_transaction ON ledger_transaction.id = transaction_id
    WHERE account = 'dispute_hold' GROUP BY order_id
) AS held USING (order_id)
WHERE coalesce(held.minor, 0) NOT IN (0, disputed_minor)
AND NOT EXISTS (SELECT FROM dispute WHERE payment_id = payment.id AND dispute.updated_at >= %(before)s)
"""

ROWS = (
    Rows(invariant="I5", name="transaction-unbalanced", service=_PAYMENT, finds=TRANSACTION_IS_UNBALANCED),
    Rows(invariant="I5", name="ledger-unbalanced", service=_PAYMENT, finds=LEDGER_IS_UNBALANCED),
    Rows(invariant="I5", name="transaction-empty", service=_PAYMENT, finds=TRANSACTION_IS_EMPTY),
    Rows(invariant="I5", name="payment-unbooked", service=_PAYMENT, finds=PAYMENT_DIFFERS_FROM_LEDGER),
    Rows(invariant="I5", name="debt-unbooked", service=_PAYMENT, finds=OWED_DIFFERS_FROM_LEDGER),
    Rows(invariant="I5", name="dispute-hold-kept", service=_PAYMENT, finds=DISPUTE_HOLDS_TOO_MUCH),
)
COUNTS = (
    Count(invariant="I5", noun="transactions", service=_PAYMENT, counts="SELECT count(*) FROM ledger_transaction"),
    Count(invariant="I5", noun="entries", service=_PAYMENT, counts="SELECT count(*) FROM ledger_entry"),
)
