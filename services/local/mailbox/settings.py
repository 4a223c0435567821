"""What the command line decides about the mailbox."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Where mail comes in, where it is read, and where it is kept."""

    smtp_port: int
    http_port: int
    state: Path


def read(arguments: Sequence[str]) -> Settings:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="mailbox", description=__doc__)
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--http-port", type=int, required=True)
    parser.add_argument("--state", type=Path, required=True, help="the folder that keeps the database")
    chosen = parser.parse_args(arguments)
    return Settings(smtp_port=chosen.smtp_port, http_port=chosen.http_port, state=chosen.state)
