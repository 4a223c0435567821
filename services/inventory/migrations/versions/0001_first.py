"""Levels, the ledger and holds."""

from alembic import op

from services.shared.migrate import create_plumbing

revision = "0001"
down_revision = None

_TABLES = (
    """
    CREATE TABLE stock_level (
        product_id uuid PRIMARY KEY,
        on_hand bigint NOT NULL,
        reserved bigint NOT NULL,
        version integer NOT NULL,
        CONSTRAINT stock_level_is_never_oversold CHECK (reserved BETWEEN 0 AND on_hand)
    ) WITH (fillfactor = 70)
    """,
    """
    CREATE TABLE stock_entry (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        product_id uuid NOT NULL,
        order_id uuid,
        kind text NOT NULL
            CHECK (kind IN ('opening', 'counted', 'adjusted', 'held', 'committed', 'released', 'returned')),
        on_hand_change bigint NOT NULL,
        reserved_change bigint NOT NULL,
        reason text,
        actor text NOT NULL,
        at timestamptz NOT NULL,
        CHECK ((order_id IS NULL) = (kind IN ('opening', 'counted', 'adjusted')))
    )
    """,
    "CREATE INDEX stock_entry_product ON stock_entry (product_id, id)",
    "CREATE UNIQUE INDEX stock_entry_once_opened ON stock_entry (product_id) WHERE kind = 'opening'",
    "CREATE UNIQUE INDEX stock_entry_once_moved ON stock_entry (order_id, product_id, kind) WHERE order_id IS NOT NULL",
    """
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'the stock ledger is append-only'; END $$
    """,
    """
    CREATE TRIGGER stock_entry_is_append_only BEFORE UPDATE OR DELETE ON stock_entry
    FOR EACH ROW EXECUTE FUNCTION refuse_change()
    """,
    """
    CREATE TABLE hold (
        order_id uuid PRIMARY KEY,
        user_id uuid NOT NULL,
        state text NOT NULL CHECK (state IN ('held', 'committed', 'released', 'returned')),
        order_version integer NOT NULL,
        confirmed boolean NOT NULL,
        version integer NOT NULL,
        held_at timestamptz NOT NULL,
        ask_at timestamptz,
        CHECK ((ask_at IS NOT NULL) = (state = 'held' AND NOT confirmed))
    ) WITH (fillfactor = 70)
    """,
    "CREATE INDEX hold_to_ask_about ON hold (ask_at) WHERE ask_at IS NOT NULL",
    """
    CREATE TABLE hold_line (
        order_id uuid NOT NULL REFERENCES hold,
        product_id uuid NOT NULL,
        quantity bigint NOT NULL CHECK (quantity > 0),
        PRIMARY KEY (order_id, product_id)
    )
    """,
)


def upgrade() -> None:
    create_plumbing(op)
    for table in _TABLES:
        op.execute(table)
