"""Consumers catch up with producers."""

from alembic import op

from services.shared.migrate import follow_producers

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    follow_producers(op)
