"""A paid order's hold is followed too, until the parcel has left."""

from alembic import op

revision = "0004"
down_revision = "0003"

_CHANGES = (
    "ALTER TABLE hold DROP CONSTRAINT hold_is_followed",
    "UPDATE hold SET follow_at = now() + random() * interval '1 day' WHERE state = 'committed'",
    """
    ALTER TABLE hold ADD CONSTRAINT hold_is_followed CHECK (
        CASE state
            WHEN 'held' THEN (follow_at IS NOT NULL) = confirmed
            WHEN 'committed' THEN true
            ELSE follow_at IS NULL
        END
    )
    """,
)


def upgrade() -> None:
    for change in _CHANGES:
        op.execute(change)
