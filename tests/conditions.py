"""Waiting for conditions, never for time."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Found = TypeVar("Found")

_PAUSE = 0.02


def wait_until(condition: Callable[[], Found], seconds: float = 30) -> Found:
    """What the condition answers once that is true.

    :raises TimeoutError: it never was.
    """
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(condition)
        time.sleep(_PAUSE)
    return found


async def eventually(condition: Callable[[], Awaitable[Found]], seconds: float = 30) -> Found:
    """What the asynchronous condition answers once that is true.

    :raises TimeoutError: it never was.
    """
    async with asyncio.timeout(seconds):
        while not (found := await condition()):  # noqa: ASYNC110 - the condition is another process's
            await asyncio.sleep(_PAUSE)
    return found


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
