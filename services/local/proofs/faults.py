"""Faults of the provider for as long as a proof asks for them."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import aiohttp

from services.local.system import System
from services.local.topology import LOOPBACK

Fault = Mapping[str, object]
"""As the stand-in takes it: `match`, `kind`, `times` or `probability`, `seed`."""


@asynccontextmanager
async def striking(system: System, *faults: Fault) -> AsyncIterator[list[int]]:
    """Let the provider's calls go wrong while the block runs; then the list says how often each fault has struck."""
    struck: list[int] = []
    for fault in faults:
        await _ask(system, "POST", fault)
    try:
        yield struck
    finally:
        struck += [told["struck"] for told in await _ask(system, "GET")]
        await _ask(system, "DELETE")


async def _ask(system: System, method: str, body: Fault | None = None) -> list[dict[str, int]]:
    url = f"http://{LOOPBACK}:{system.ports.stripe}/_stand-in/faults"
    async with aiohttp.ClientSession() as session, session.request(method, url, json=body) as answer:
        answer.raise_for_status()
        told: list[dict[str, int]] = json.loads(await answer.read() or b"[]")
        return told
