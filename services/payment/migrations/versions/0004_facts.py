"""The facts cannot be changed."""

from alembic import op

from services.shared.migrate import protect_facts

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    protect_facts(op)
