"""Consumers catch up with producers."""

from alembic import op

from services.shared.migrate import follow_producers

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    follow_producers(op)
