"""An order is asked about from the moment on at which it expires, and those that were put off are not walked."""

from alembic import op

revision = "0003"
down_revision = "0002"

_CHANGES = (
    "UPDATE orders SET next_check_at = expires_at WHERE status = 'pending' AND next_check_at < expires_at",
    "CREATE INDEX orders_to_expire ON orders (next_check_at) WHERE status = 'pending'",
    "DROP INDEX orders_expiring",
)


def upgrade() -> None:
    for change in _CHANGES:
        op.execute(change)
