"""Recipients, messages, read marks and preferences."""

from alembic import op

from services.shared.migrate import create_plumbing

revision = "0001"
down_revision = None

_TABLES = (
    """
    CREATE TABLE recipient (
        user_id uuid PRIMARY KEY,
        email text NOT NULL,
        first_name text NOT NULL,
        version integer NOT NULL
    )
    """,
    """
    CREATE TABLE preference (
        user_id uuid PRIMARY KEY,
        wishes jsonb NOT NULL
    )
    """,
    """
    CREATE TABLE message (
        id uuid PRIMARY KEY,
        user_id uuid NOT NULL,
        order_id uuid,
        channel text NOT NULL CHECK (channel IN ('email')),
        template text NOT NULL,
        address text NOT NULL,
        subject text NOT NULL,
        html text NOT NULL,
        state text NOT NULL CHECK (state IN ('pending', 'sent', 'dead')),
        attempts integer NOT NULL,
        written_at timestamptz NOT NULL,
        next_at timestamptz NOT NULL,
        sent_at timestamptz,
        CHECK ((sent_at IS NOT NULL) = (state = 'sent'))
    )
    """,
    "CREATE INDEX message_due ON message (next_at) WHERE state = 'pending'",
    """
    CREATE TABLE read_mark (
        notification_id uuid PRIMARY KEY
    )
    """,
)


def upgrade() -> None:
    create_plumbing(op)
    for table in _TABLES:
        op.execute(table)
