"""A stand-in until disputes are kept."""

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Nothing yet."""
