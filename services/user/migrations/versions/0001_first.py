"""Accounts, logins and their refresh tokens, failed logins."""

from alembic import op

from services.shared.migrate import create_plumbing

revision = "0001"
down_revision = None

_ACCOUNT = """
CREATE TABLE account (
    id uuid PRIMARY KEY,
    email text NOT NULL UNIQUE CHECK (email = lower(email) AND length(email) <= 254),
    password_hash text NOT NULL,
    first_name text NOT NULL CHECK (length(first_name) BETWEEN 1 AND 100),
    last_name text NOT NULL CHECK (length(last_name) BETWEEN 1 AND 100),
    role text NOT NULL CHECK (role IN ('customer', 'staff', 'admin')),
    is_active boolean NOT NULL,
    version integer NOT NULL CHECK (version >= 1),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
)
"""
_LOGIN = """
CREATE TABLE login (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES account ON DELETE CASCADE,
    began_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL CHECK (expires_at > began_at),
    ended_at timestamptz
)
"""
_REFRESH = """
CREATE TABLE refresh_token (
    digest bytea PRIMARY KEY CHECK (length(digest) = 32),
    login_id uuid NOT NULL REFERENCES login ON DELETE CASCADE,
    issued_at timestamptz NOT NULL,
    used_at timestamptz
)
"""
_LOGIN_FAILURE = """
CREATE TABLE login_failure (
    digest bytea PRIMARY KEY CHECK (length(digest) = 32),
    began_at timestamptz NOT NULL,
    failures integer NOT NULL CHECK (failures >= 1)
)
"""


def upgrade() -> None:
    create_plumbing(op)
    op.execute(_ACCOUNT)
    op.execute("CREATE INDEX account_newest ON account (created_at DESC, id DESC)")
    op.execute("CREATE INDEX account_admins ON account (id) WHERE role = 'admin' AND is_active")
    op.execute(_LOGIN)
    op.execute("CREATE INDEX login_of_user ON login (user_id) WHERE ended_at IS NULL")
    op.execute("CREATE INDEX login_expiry ON login (expires_at)")
    op.execute(_REFRESH)
    op.execute("CREATE INDEX refresh_token_of_login ON refresh_token (login_id)")
    op.execute(_LOGIN_FAILURE)
    op.execute("CREATE INDEX login_failure_age ON login_failure (began_at)")
