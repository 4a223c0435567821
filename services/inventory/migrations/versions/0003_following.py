"""A placed hold whose order should have ended by a moment is asked about from then on."""

from alembic import op

revision = "0003"
down_revision = "0002"

_CHANGES = (
    "ALTER TABLE hold ADD COLUMN follow_at timestamptz",
    "UPDATE hold SET follow_at = now() + interval '20 minutes' WHERE state = 'held' AND confirmed",
    """
    ALTER TABLE hold ADD CONSTRAINT hold_is_followed
    CHECK ((follow_at IS NOT NULL) = (state = 'held' AND confirmed))
    """,
    "CREATE INDEX hold_to_follow ON hold (follow_at) WHERE follow_at IS NOT NULL",
)


def upgrade() -> None:
    for change in _CHANGES:
        op.execute(change)
