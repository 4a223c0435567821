"""A mirror of the provider's balance, the runs that compare it, what they found, and fees and payouts in the ledger."""

from alembic import op

revision = "0003"
down_revision = "0002"

_STATEMENTS = (
    """
    CREATE TABLE provider_movement (
        id text PRIMARY KEY,
        kind text NOT NULL
            CHECK (kind IN ('charge', 'refund', 'refund_failure', 'dispute', 'payout', 'fee', 'other')),
        amount_minor bigint NOT NULL,
        fee_minor bigint NOT NULL,
        currency text NOT NULL,
        source text,
        intent_id text,
        order_id uuid,
        refund_id uuid,
        created_at timestamptz NOT NULL,
        mirrored_at timestamptz NOT NULL,
        is_booked boolean NOT NULL DEFAULT false
    )
    """,
    "CREATE INDEX provider_movement_unbooked ON provider_movement (id) WHERE NOT is_booked",
    """
    CREATE TABLE reconciliation_run (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        status text NOT NULL CHECK (status IN ('running', 'complete', 'failed')),
        began_at timestamptz NOT NULL,
        ended_at timestamptz,
        period_from timestamptz,
        period_to timestamptz,
        counts jsonb NOT NULL DEFAULT '{}',
        sums jsonb NOT NULL DEFAULT '[]'
    )
    """,
    """
    CREATE TABLE reconciliation_difference (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        subject text NOT NULL
            CHECK (subject IN ('charge', 'refund', 'dispute', 'fee', 'payout', 'order', 'other')),
        subject_id text NOT NULL,
        difference text NOT NULL CHECK (difference IN ('missing_here', 'missing_there', 'amount', 'currency', 'state',
            'duplicate', 'orphan_order', 'late')),
        order_id uuid,
        payment_id uuid,
        reference text,
        currency text NOT NULL,
        order_minor bigint,
        here_minor bigint,
        ledger_minor bigint,
        provider_minor bigint,
        first_seen timestamptz NOT NULL,
        last_seen timestamptz NOT NULL,
        first_run bigint NOT NULL REFERENCES reconciliation_run,
        last_run bigint NOT NULL REFERENCES reconciliation_run,
        repair_begun_at timestamptz,
        resolved_at timestamptz,
        resolved_run bigint REFERENCES reconciliation_run
    )
    """,
    """
    CREATE UNIQUE INDEX reconciliation_difference_open
    ON reconciliation_difference (subject, subject_id, difference) WHERE resolved_at IS NULL
    """,
    "CREATE INDEX reconciliation_difference_resolved ON reconciliation_difference (resolved_run)",
    "ALTER TABLE ledger_transaction ALTER COLUMN order_id DROP NOT NULL",
    """
    ALTER TABLE ledger_transaction ADD CONSTRAINT ledger_transaction_belongs_to_an_order
        CHECK (order_id IS NOT NULL OR kind IN ('fee', 'payout'))
    """,
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
