"""What happens by itself: owed events are delivered, and time passes."""

import asyncio
import time

import aiohttp

from services.local.stripe_server import timeline, webhooks
from services.local.stripe_server.calls import Server
from services.local.stripe_server.records import Delivery

_AT_ONCE = 16
_TIMEOUT = aiohttp.ClientTimeout(total=10)
_LEASE = 15.0
"""Seconds that one attempt may take before the delivery is due again; longer than the time-out."""


async def work(server: Server) -> None:
    """Run until cancelled."""
    server.records.release_leases(now=server.clock())
    async with aiohttp.ClientSession(timeout=_TIMEOUT) as session, asyncio.TaskGroup() as group:
        while True:
            server.owed.clear()
            _catch_up(server)
            for delivery in _lease(server):
                group.create_task(_attempt(server, session, delivery))
            await _until_owed(server)


def _catch_up(server: Server) -> None:
    with server.records.transaction():
        timeline.catch_up(server.desk())


def _lease(server: Server) -> list[Delivery]:
    now = server.clock()
    return server.records.lease(now=now, until=now + _LEASE, limit=_AT_ONCE)


async def _attempt(server: Server, session: aiohttp.ClientSession, delivery: Delivery) -> None:
    settings = server.settings
    at = int(time.time())
    confirmed = await webhooks.deliver(
        session, delivery, url=settings.webhook_url, secret=settings.webhook_secret, at=at
    )
    if confirmed:
        server.records.delivered(delivery.event_id, now=server.clock())
    else:
        server.records.postpone(delivery.event_id, due=server.clock() + webhooks.pause(delivery.attempts))
        server.owed.set()


async def _until_owed(server: Server) -> None:
    due = server.records.next_due()
    try:
        async with asyncio.timeout(None if due is None else max(0.0, due - server.clock())):
            await server.owed.wait()
    except TimeoutError:
        return
