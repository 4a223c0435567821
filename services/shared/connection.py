"""A connection to PostgreSQL that no network keeps waiting for ever, whatever it does with what is sent over it."""

import asyncio
import contextlib
import os
import socket
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.abc import RV, PQGen
from psycopg.rows import Row

DEADLINES: Mapping[str, Any] = {
    "connect_timeout": 3,
    "tcp_user_timeout": 10_000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
}
"""For every connection: the server's own timeouts say nothing when the network swallows what is sent.

What was sent and is not acknowledged for ten seconds, and a server that is silent for as long, end the connection.
libpq has milliseconds for the second, seconds for the others.
"""

SLACK = 5.0
"""Seconds that an answer may be late after the time at which the server gives a statement up."""


class Connection(psycopg.AsyncConnection[Row]):
    """A connection that hangs up when no answer comes.

    TCP has nothing to say against a proxy that acknowledges what it swallows, nor against a server that stands still.
    What has come when it hangs up is still read; what has not is a lost connection, and a commit that was on its way
    stays unknown.
    """

    patience: float = 10.0 + SLACK
    """Seconds: the server itself gives a statement up after ten."""

    async def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:  # noqa: ASYNC109 - the driver's own
        """Wait for an answer of the server."""
        hanging_up = asyncio.get_running_loop().call_later(self.patience, self._hang_up)
        try:
            return await super().wait(gen, interval, timeout)
        finally:
            hanging_up.cancel()

    def _hang_up(self) -> None:
        """Shut the socket down; closing it is the driver's, which waits on it."""
        with contextlib.suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(self.fileno())) as line:
            line.shutdown(socket.SHUT_RDWR)
