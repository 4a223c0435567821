"""When rows changed, so that a reconciliation can look at what did since the last one; how far a list was read."""

from alembic import op

revision = "0006"
down_revision = "0005"

_GROWING = ("provider_movement", "ledger_transaction")
_CHANGING = ("payable", "payment", "refund")
_TABLES = (*_GROWING, *_CHANGING)
_TIMES = tuple(f"ALTER TABLE {table} ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now()" for table in _TABLES)
_INDEXES = tuple(
    f"""
    CREATE INDEX {table}_changed ON {table} USING brin (changed_at) WITH (pages_per_range = 8, autosummarize = on)
    """
    for table in _TABLES
)
"""By the database's clock, whoever writes. Such an index is small, and an update need not write to the others."""
_STAMP = """
CREATE FUNCTION stamp_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.changed_at := now();
    RETURN NEW;
END $$
"""
_STAMPS = tuple(
    f"""
    CREATE TRIGGER {table}_changes BEFORE UPDATE ON {table}
    FOR EACH ROW WHEN (OLD IS DISTINCT FROM NEW) EXECUTE FUNCTION stamp_change()
    """
    for table in _CHANGING
)
_LOOK_UPS = (
    "CREATE INDEX provider_movement_created ON provider_movement (created_at)",
    "CREATE INDEX provider_movement_intent ON provider_movement (intent_id)",
    "CREATE INDEX provider_movement_source ON provider_movement (source)",
    "CREATE INDEX provider_movement_order ON provider_movement (order_id)",
    "CREATE INDEX provider_movement_refund ON provider_movement (refund_id)",
    "CREATE INDEX reconciliation_run_began ON reconciliation_run (began_at)",
)
_RUNS = (
    """
    ALTER TABLE reconciliation_run
        ADD COLUMN compared_since timestamptz,
        ADD COLUMN compared_at timestamptz,
        ADD COLUMN list_since timestamptz,
        ADD COLUMN list_after text
    """,
    """
    ALTER TABLE reconciliation_difference
        DROP CONSTRAINT reconciliation_difference_first_run_fkey,
        DROP CONSTRAINT reconciliation_difference_last_run_fkey,
        DROP CONSTRAINT reconciliation_difference_resolved_run_fkey,
        DROP CONSTRAINT reconciliation_difference_difference_check,
        ADD CONSTRAINT reconciliation_difference_difference_check CHECK (difference IN ('missing_here',
            'missing_there', 'amount', 'currency', 'settlement', 'state', 'duplicate', 'orphan_order', 'late'))
    """,
    "CREATE INDEX reconciliation_run_list ON reconciliation_run (id) WHERE list_after IS NOT NULL",
    "DELETE FROM reconciliation_difference WHERE difference = 'late' AND resolved_at IS NOT NULL",
)
"""Without `compared_since` a run compared everything. A difference outlives the runs that saw it."""


def upgrade() -> None:
    for statement in (*_TIMES, *_INDEXES, _STAMP, *_STAMPS, *_LOOK_UPS, *_RUNS):
        op.execute(statement)
