"""Orders that were paid are followed, those that were given up stay so; of the provider's events no body is kept."""

from alembic import op

revision = "0006"
down_revision = "0005"

_STATEMENTS = (
    """
    ALTER TABLE payable
        ADD COLUMN is_cancelled boolean NOT NULL DEFAULT false,
        ADD COLUMN follow_at timestamptz
    """,
    """
    UPDATE payable SET is_cancelled = true WHERE order_status = 'cancelled' OR EXISTS (
        SELECT FROM payment JOIN refund ON refund.payment_id = payment.id
        WHERE payment.order_id = payable.order_id AND refund.reason = 'order-cancelled' AND refund.is_automatic)
    """,
    """
    UPDATE payable SET follow_at = now() + interval '1 hour' FROM payment
    WHERE payment.order_id = payable.order_id AND captured_minor > 0 AND order_status IN ('pending', 'paid')
    """,
    "CREATE INDEX payable_to_follow ON payable (follow_at) WHERE follow_at IS NOT NULL",
    "ALTER TABLE webhook_event ADD COLUMN refund_id uuid",
    """
    UPDATE webhook_event SET refund_id = CAST(payload #>> '{data,object,metadata,refund_id}' AS uuid)
    WHERE payload #>> '{data,object,metadata,refund_id}' ~ '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'
    """,
    "ALTER TABLE webhook_event DROP COLUMN payload",
    "CREATE INDEX webhook_event_processed ON webhook_event (processed_at) WHERE processed_at IS NOT NULL",
    "ALTER TABLE ledger_entry DROP CONSTRAINT ledger_entry_account_check",
    """
    ALTER TABLE ledger_entry ADD CONSTRAINT ledger_entry_account_check CHECK (account IN ('stripe_clearing', 'revenue',
        'refunds_payable', 'stripe_fees', 'dispute_hold', 'bank'))
    """,
    """
    CREATE FUNCTION pause_after(tries integer, first_pause interval) RETURNS interval LANGUAGE sql IMMUTABLE
    RETURN LEAST(interval '1 hour', first_pause * power(2, LEAST(tries, 12)))
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
