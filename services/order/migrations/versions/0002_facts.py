"""A line of an order's history names the event that brought it about; the facts cannot be changed."""

from alembic import op

from services.shared.migrate import protect_facts

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("ALTER TABLE order_history ADD COLUMN cause uuid")
    protect_facts(op)
