"""What need not be kept is found by an index; the outbox is vacuumed in time."""

from alembic import op

from services.shared.migrate import maintain_plumbing

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    maintain_plumbing(op)
