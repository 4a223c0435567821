"""Payables, payments with their attempts and refunds, the provider's events, the ledger."""

from alembic import op

from services.shared.migrate import create_plumbing

revision = "0001"
down_revision = None

_TABLES = (
    """
    CREATE TABLE payable (
        order_id uuid PRIMARY KEY,
        user_id uuid NOT NULL,
        amount_minor bigint NOT NULL CHECK (amount_minor > 0),
        currency text NOT NULL,
        state text NOT NULL CHECK (state IN ('open', 'closed')),
        order_version integer NOT NULL,
        order_status text NOT NULL
    )
    """,
    """
    CREATE TABLE payment (
        id uuid PRIMARY KEY,
        order_id uuid NOT NULL UNIQUE REFERENCES payable,
        user_id uuid NOT NULL,
        status text NOT NULL
            CHECK (status IN ('pending', 'requires_action', 'failed', 'succeeded', 'partially_refunded', 'refunded')),
        amount_minor bigint NOT NULL CHECK (amount_minor > 0),
        currency text NOT NULL,
        captured_minor bigint NOT NULL DEFAULT 0 CHECK (captured_minor >= 0),
        refunded_minor bigint NOT NULL DEFAULT 0,
        intent_id text UNIQUE,
        version integer NOT NULL DEFAULT 0,
        cancel_due_at timestamptz,
        cancel_tries integer NOT NULL DEFAULT 0,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        CONSTRAINT payment_is_never_refunded_twice CHECK (refunded_minor BETWEEN 0 AND captured_minor)
    )
    """,
    "CREATE INDEX payment_cancel_due ON payment (cancel_due_at) WHERE cancel_due_at IS NOT NULL",
    """
    CREATE TABLE attempt (
        id uuid PRIMARY KEY,
        payment_id uuid NOT NULL REFERENCES payment,
        n integer NOT NULL CHECK (n > 0),
        payment_method text NOT NULL,
        status text NOT NULL CHECK (status IN ('open', 'requires_action', 'succeeded', 'declined', 'failed')),
        fingerprint text NOT NULL,
        decline_code text,
        action_type text,
        action_url text,
        is_answered boolean NOT NULL DEFAULT false,
        tries integer NOT NULL DEFAULT 0,
        due_at timestamptz NOT NULL,
        at timestamptz NOT NULL,
        CONSTRAINT attempt_has_a_number UNIQUE (payment_id, n)
    )
    """,
    "CREATE UNIQUE INDEX attempt_one_is_open ON attempt (payment_id) WHERE status = 'open'",
    "CREATE INDEX attempt_due ON attempt (due_at) WHERE status IN ('open', 'requires_action')",
    """
    CREATE TABLE refund (
        id uuid PRIMARY KEY,
        payment_id uuid NOT NULL REFERENCES payment,
        amount_minor bigint NOT NULL CHECK (amount_minor > 0),
        currency text NOT NULL,
        reason text,
        status text NOT NULL CHECK (status IN ('pending', 'succeeded', 'failed')),
        provider_reference text UNIQUE,
        is_answered boolean NOT NULL DEFAULT false,
        tries integer NOT NULL DEFAULT 0,
        due_at timestamptz NOT NULL,
        created_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX refund_payment ON refund (payment_id)",
    "CREATE INDEX refund_due ON refund (due_at) WHERE status = 'pending'",
    """
    CREATE TABLE refund_command (
        id uuid PRIMARY KEY,
        refund_id uuid NOT NULL,
        fingerprint text NOT NULL,
        at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE webhook_event (
        id text PRIMARY KEY,
        type text NOT NULL,
        object_id text NOT NULL,
        payload jsonb NOT NULL,
        received_at timestamptz NOT NULL,
        due_at timestamptz NOT NULL,
        tries integer NOT NULL DEFAULT 0,
        processed_at timestamptz
    )
    """,
    "CREATE INDEX webhook_event_due ON webhook_event (due_at) WHERE processed_at IS NULL",
    """
    CREATE TABLE ledger_transaction (
        id uuid PRIMARY KEY,
        idempotency_key text NOT NULL UNIQUE,
        kind text NOT NULL CHECK (kind IN ('capture', 'refund', 'refund_failure')),
        order_id uuid NOT NULL,
        at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE ledger_entry (
        transaction_id uuid NOT NULL REFERENCES ledger_transaction,
        account text NOT NULL CHECK (account IN ('customer_receivable', 'stripe_clearing', 'revenue',
            'refunds_payable', 'stripe_fees', 'dispute_hold', 'bank')),
        amount_minor bigint NOT NULL CHECK (amount_minor <> 0),
        currency text NOT NULL,
        PRIMARY KEY (transaction_id, account, currency)
    )
    """,
)
_RULES = (
    """
    CREATE FUNCTION ledger_demands_balance() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF EXISTS (SELECT FROM ledger_entry WHERE transaction_id = NEW.transaction_id
                   GROUP BY currency HAVING sum(amount_minor) <> 0) THEN
            RAISE EXCEPTION 'ledger transaction % does not balance', NEW.transaction_id
                USING ERRCODE = 'check_violation';
        END IF;
        RETURN NULL;
    END $$
    """,
    """
    CREATE CONSTRAINT TRIGGER ledger_balances AFTER INSERT ON ledger_entry
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION ledger_demands_balance()
    """,
    """
    CREATE FUNCTION ledger_only_grows() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'the ledger is append-only' USING ERRCODE = 'insufficient_privilege';
    END $$
    """,
    """
    CREATE TRIGGER ledger_transaction_only_grows BEFORE UPDATE OR DELETE ON ledger_transaction
    FOR EACH ROW EXECUTE FUNCTION ledger_only_grows()
    """,
    """
    CREATE TRIGGER ledger_entry_only_grows BEFORE UPDATE OR DELETE ON ledger_entry
    FOR EACH ROW EXECUTE FUNCTION ledger_only_grows()
    """,
)


def upgrade() -> None:
    create_plumbing(op)
    for statement in (*_TABLES, *_RULES):
        op.execute(statement)
