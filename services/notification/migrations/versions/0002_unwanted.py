"""A message that its customer did not want is kept as that, so that its event is no news when it comes again."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.execute("ALTER TABLE message DROP CONSTRAINT message_state_check")
    op.execute(
        "ALTER TABLE message ADD CONSTRAINT message_state_check"
        " CHECK (state IN ('pending', 'sent', 'dead', 'unwanted'))"
    )
