"""Whether a process answers: small probes that cost next to nothing, over HTTP or by opening a connection."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

FIRST_PAUSE, LONGEST_PAUSE = 0.05, 0.25
"""Seconds between two looks at something that is starting: looking often would cost what it needs for itself."""

PROBE_TIMEOUT = 2.0
"""Seconds after which silence counts as no."""


async def answers(probe: str) -> bool:
    """Whether the probe succeeds: `http://…` by a status of 2xx, `tcp://…` by an accepted connection."""
    try:
        async with asyncio.timeout(PROBE_TIMEOUT):
            return await _attempt(probe)
    except (OSError, ValueError, IndexError):
        return False


async def becomes_true(check: Callable[[], Awaitable[bool]], *, within: float) -> bool:
    """Whether the check succeeds within so many seconds; it is asked again and again."""
    pause = FIRST_PAUSE
    try:
        async with asyncio.timeout(within):
            while not await check():
                await asyncio.sleep(pause)
                pause = min(pause * 1.3, LONGEST_PAUSE)
    except TimeoutError:
        return False
    return True


async def _attempt(probe: str) -> bool:
    target = urlsplit(probe)
    reader, writer = await asyncio.open_connection(target.hostname, target.port)
    try:
        if target.scheme == "tcp":
            return True
        writer.write(f"GET {target.path} HTTP/1.1\r\nHost: {target.netloc}\r\nConnection: close\r\n\r\n".encode())
        status = int((await reader.readline()).split()[1])
        return 200 <= status < 300  # noqa: PLR2004 - the bounds of the class of success
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
