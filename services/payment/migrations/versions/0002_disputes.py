"""Disputes, open debts to customers, refunds that are promised; a ledger that cannot be emptied either."""

from alembic import op

revision = "0002"
down_revision = "0001"

_TABLES = (
    """
    ALTER TABLE payment
        ADD COLUMN disputed_minor bigint NOT NULL DEFAULT 0 CHECK (disputed_minor >= 0),
        ADD COLUMN lost_minor bigint NOT NULL DEFAULT 0 CHECK (lost_minor >= 0),
        ADD COLUMN owed_minor bigint NOT NULL DEFAULT 0 CHECK (owed_minor >= 0),
        ADD COLUMN debt_due_at timestamptz,
        ADD COLUMN debt_tries integer NOT NULL DEFAULT 0
    """,
    "CREATE INDEX payment_debt_due ON payment (debt_due_at) WHERE debt_due_at IS NOT NULL",
    """
    CREATE TABLE dispute (
        id text PRIMARY KEY,
        payment_id uuid NOT NULL REFERENCES payment,
        amount_minor bigint NOT NULL CHECK (amount_minor > 0),
        currency text NOT NULL,
        reason text NOT NULL,
        status text NOT NULL CHECK (status IN ('inquiry', 'dropped', 'open', 'won', 'lost')),
        opened_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX dispute_payment ON dispute (payment_id)",
    """
    ALTER TABLE refund
        ADD COLUMN is_promised boolean NOT NULL DEFAULT false,
        ADD COLUMN is_automatic boolean NOT NULL DEFAULT false
    """,
    "CREATE INDEX ledger_transaction_order ON ledger_transaction (order_id)",
    "ALTER TABLE ledger_transaction DROP CONSTRAINT ledger_transaction_kind_check",
    """
    ALTER TABLE ledger_transaction ADD CONSTRAINT ledger_transaction_kind_check CHECK (kind IN ('capture',
        'refund_promised', 'refund', 'refund_failure', 'debt_released', 'dispute_withdrawn', 'dispute_reinstated',
        'dispute_lost', 'dispute_recovered', 'fee', 'payout'))
    """,
)
_OWED = """
UPDATE payment SET owed_minor = owed.minor FROM (
    SELECT order_id, -sum(amount_minor) AS minor
    FROM ledger_entry JOIN ledger_transaction ON ledger_transaction.id = transaction_id
    WHERE account = 'refunds_payable' GROUP BY order_id
) AS owed WHERE owed.order_id = payment.order_id AND owed.minor > 0
"""
_PROMISED = "UPDATE refund SET is_promised = true WHERE status = 'succeeded'"
_RULES = tuple(
    f"""
    CREATE TRIGGER {table}_is_never_emptied BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_only_grows()
    """
    for table in ("ledger_transaction", "ledger_entry")
)
_RIGHTS = """
DO $$ BEGIN
    EXECUTE format('REVOKE UPDATE, DELETE, TRUNCATE ON ledger_transaction, ledger_entry FROM %I', current_user);
    EXECUTE format('GRANT UPDATE (id) ON ledger_transaction TO %I', current_user);
END $$
"""
"""The application owns its tables, so it could grant itself these again; the triggers hold even then.

A foreign key locks the row that it points at, which takes the right to update one column of it.
"""


def upgrade() -> None:
    for statement in (*_TABLES, _OWED, _PROMISED, *_RULES, _RIGHTS):
        op.execute(statement)
