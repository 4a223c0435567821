"""What the command line and the environment decide about the stand-in."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where the stand-in listens, what it keeps where, and whom it tells."""

    port: int
    state: Path
    webhook_url: str
    api_key: str
    webhook_secret: str
    change_after: float = 1.0
    """Seconds until a refund that is pending settles, or one that is going to fail fails."""

    @property
    def url(self) -> str:
        """The address that clients use."""
        return f"http://127.0.0.1:{self.port}"


def read(arguments: Sequence[str], environment: Mapping[str, str]) -> Settings:
    """Put the settings together; the two secrets come from the environment only."""
    parser = argparse.ArgumentParser(prog="stripe_server", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True, help="the folder that keeps the database")
    parser.add_argument("--webhook-url", required=True, help="where events are delivered to")
    chosen = parser.parse_args(arguments)
    return Settings(
        port=chosen.port,
        state=chosen.state,
        webhook_url=chosen.webhook_url,
        api_key=environment["STRIPE_API_KEY"],
        webhook_secret=environment["STRIPE_WEBHOOK_SECRET"],
    )
