"""Payments: captured whole or not at all, once, and never left undecided."""

from services.local.audit.checks import Count, Rows

_PAYMENT = "payment"

CAPTURED_IN_PART = """
SELECT id AS subject, order_id, amount_minor, captured_minor FROM payment WHERE captured_minor NOT IN (0, amount_minor)
"""
SUCCEEDED_TWICE = """
SELECT payment_id AS subject, count(*) AS attempts FROM attempt
WHERE status = 'succeeded' GROUP BY payment_id HAVING count(*) > 1
"""
SUCCESS_WITHOUT_CAPTURE = """
SELECT payment.id AS subject, order_id, payment.status FROM payment
WHERE captured_minor = 0
AND EXISTS (SELECT FROM attempt WHERE payment_id = payment.id AND status = 'succeeded')
"""
STATUS_CONTRADICTS_AMOUNTS = """
SELECT id AS subject, order_id, status, captured_minor, refunded_minor FROM payment
WHERE CASE
    WHEN captured_minor = 0 THEN status NOT IN ('pending', 'requires_action', 'failed')
    WHEN refunded_minor = 0 THEN status <> 'succeeded'
    WHEN refunded_minor = captured_minor THEN status <> 'refunded'
    ELSE status <> 'partially_refunded' END
"""
REFUNDED_TOO_MUCH = """
SELECT payment.id AS subject, order_id, captured_minor, sum(refund.amount_minor)::bigint AS refunds_minor
FROM payment JOIN refund ON refund.payment_id = payment.id AND refund.status <> 'failed'
GROUP BY payment.id HAVING sum(refund.amount_minor) > captured_minor
"""
REFUNDED_DIFFERS_FROM_REFUNDS = """
SELECT payment.id AS subject, order_id, refunded_minor, refunds.minor AS refunds_minor
FROM payment LEFT JOIN (
    SELECT payment_id, sum(amount_minor)::bigint AS minor FROM refund WHERE status = 'succeeded' GROUP BY payment_id
) AS refunds ON refunds.payment_id = payment.id
WHERE refunded_minor <> coalesce(refunds.minor, 0)
"""
PAYMENT_DIFFERS_FROM_FACTS = """
SELECT coalesce(payment.id, told.id) AS subject, payment.version, captured_minor, refunded_minor,
    told.version AS told_version, told.captured AS told_captured, told.refunded AS told_refunded
FROM payment FULL JOIN (
    SELECT DISTINCT ON (aggregate_id) aggregate_id AS id, version,
        replace(data #>> '{captured_amount,amount}', '.', '')::bigint AS captured,
        replace(data #>> '{refunded_amount,amount}', '.', '')::bigint AS refunded
    FROM outbox WHERE topic = 'payments' ORDER BY aggregate_id, version DESC
) AS told ON told.id = payment.id
WHERE payment.id IS NULL OR (payment.version, captured_minor, refunded_minor)
    IS DISTINCT FROM (coalesce(told.version, 0), coalesce(told.captured, 0), coalesce(told.refunded, 0))
"""
ATTEMPT_IS_OPEN = """
SELECT id AS subject, payment_id, n, at, tries, due_at FROM attempt
WHERE status = 'open' AND at + interval '40 seconds' < %(before)s
"""
REFUND_IS_PENDING = """
SELECT id AS subject, payment_id, amount_minor, provider_reference, created_at, tries, due_at FROM refund
WHERE status = 'pending' AND NOT EXISTS (SELECT FROM payment WHERE id = refund.payment_id AND disputed_minor > 0)
AND CASE WHEN provider_reference IS NULL THEN created_at + interval '40 seconds' ELSE due_at END < %(before)s
"""
DISPUTES_DIFFER = """
SELECT payment.id AS subject, order_id, disputed_minor, lost_minor, disputes.open, disputes.lost
FROM payment LEFT JOIN (
    SELECT payment_id, coalesce(sum(amount_minor) FILTER (WHERE status = 'open'), 0)::bigint AS open,
        coalesce(sum(amount_minor) FILTER (WHERE status = 'lost'), 0)::bigint AS lost
    FROM dispute GROUP BY payment_id
) AS disputes ON disputes.payment_id = payment.id
WHERE (disputed_minor, lost_minor) <> (coalesce(disputes.open, 0), coalesce(disputes.lost, 0))
"""
DEBT_IS_OVERDUE = """
SELECT id AS subject, order_id, owed_minor, debt_due_at, debt_tries FROM payment
WHERE debt_due_at + interval '40 seconds' < %(before)s AND disputed_minor = 0
"""
WEBHOOK_IS_UNHEEDED = """
SELECT id AS subject, type, object_id, received_at, tries, due_at FROM webhook_event
WHERE processed_at IS NULL AND received_at + interval '40 seconds' < %(before)s
"""

ROWS = (
    Rows(invariant="I4", name="captured-in-part", service=_PAYMENT, finds=CAPTURED_IN_PART),
    Rows(invariant="I4", name="attempts-succeeded-twice", service=_PAYMENT, finds=SUCCEEDED_TWICE),
    Rows(invariant="I4", name="success-uncaptured", service=_PAYMENT, finds=SUCCESS_WITHOUT_CAPTURE),
    Rows(invariant="I4", name="payment-contradictory", service=_PAYMENT, finds=STATUS_CONTRADICTS_AMOUNTS),
    Rows(invariant="I5", name="refunded-too-much", service=_PAYMENT, finds=REFUNDED_TOO_MUCH),
    Rows(invariant="I5", name="refunds-unaccounted", service=_PAYMENT, finds=REFUNDED_DIFFERS_FROM_REFUNDS),
    Rows(invariant="I5", name="disputes-unaccounted", service=_PAYMENT, finds=DISPUTES_DIFFER),
    Rows(invariant="I8", name="debt-overdue", service=_PAYMENT, finds=DEBT_IS_OVERDUE),
    Rows(invariant="I8", name="attempt-open", service=_PAYMENT, finds=ATTEMPT_IS_OPEN),
    Rows(invariant="I8", name="refund-pending", service=_PAYMENT, finds=REFUND_IS_PENDING),
    Rows(invariant="I8", name="webhook-unheeded", service=_PAYMENT, finds=WEBHOOK_IS_UNHEEDED),
    Rows(invariant="I9", name="payment-untold", service=_PAYMENT, finds=PAYMENT_DIFFERS_FROM_FACTS),
)
COUNTS = (
    Count(invariant="I4", noun="payments", service=_PAYMENT, counts="SELECT count(*) FROM payment"),
    Count(invariant="I4", noun="attempts", service=_PAYMENT, counts="SELECT count(*) FROM attempt"),
    Count(invariant="I8", noun="webhooks", service=_PAYMENT, counts="SELECT count(*) FROM webhook_event"),
    Count(invariant="I8", noun="refunds", service=_PAYMENT, counts="SELECT count(*) FROM refund"),
)
