"""Old letters can be emptied; what need not be kept is found by an index; the outbox is vacuumed in time."""

from alembic import op

from services.shared.migrate import maintain_plumbing

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    maintain_plumbing(op)
    op.execute("CREATE INDEX message_to_empty ON message (sent_at) WHERE state = 'sent' AND html <> ''")
    op.execute("UPDATE message SET address = '', subject = '', html = '' WHERE state = 'unwanted'")
