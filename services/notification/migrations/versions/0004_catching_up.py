"""Consumers catch up with producers."""

from alembic import op

from services.shared.migrate import follow_producers

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    follow_producers(op)
