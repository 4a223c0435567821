"""What happens by itself: owed events are delivered, and time passes."""

import asyncio
import time

import aiohttp

from services.local.stripe_server import signing, timeline, webhooks
from services.local.stripe_server.calls import Server
from services.local.stripe_server.records import Delivery

_AT_ONCE = 16
TIMEOUT = aiohttp.ClientTimeout(total=10)
LEASE = 15.0
"""Seconds that one attempt may take before the delivery is due again; longer than the time-out."""
WITHHELD = 3_600.0
"""Seconds until an event that is withheld is looked at again, unless the way changes before."""


async def work(server: Server) -> None:
    """Run until cancelled."""
    began = server.clock()
    server.records.release(now=began, later_than=began)
    async with aiohttp.ClientSession(timeout=TIMEOUT) as session, asyncio.TaskGroup() as group:
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
    return server.records.lease(now=now, until=now + LEASE, limit=_AT_ONCE)


async def _attempt(server: Server, session: aiohttp.ClientSession, delivery: Delivery) -> None:
    """Deliver an event, as often as the way repeats it; the first time it may have to wait."""
    late = server.way.delay() if delivery.attempts == 1 else 0.0
    if server.way.withholds(delivery.event_type):
        server.records.postpone(delivery.event_id, due=server.clock() + WITHHELD)
    elif late:
        server.records.postpone(delivery.event_id, due=server.clock() + late)
    elif all(await asyncio.gather(*(_confirmed(server, session, delivery) for _ in range(server.way.copies)))):
        server.records.delivered(delivery.event_id, now=server.clock())
    else:
        server.records.postpone(delivery.event_id, due=server.clock() + webhooks.pause(delivery.attempts))
    server.owed.set()


async def _confirmed(server: Server, session: aiohttp.ClientSession, delivery: Delivery) -> bool:
    """One delivery. Its signature bears the machine's time, which the shop's clock agrees with."""
    if server.way.loses():
        return False
    signature = signing.signature(delivery.body, secrets=server.secrets, at=int(time.time()))
    url = server.settings.webhook_url
    return webhooks.confirms(await webhooks.send(session, delivery.body, url=url, signature=signature))


async def _until_owed(server: Server) -> None:
    due = server.records.next_due()
    try:
        async with asyncio.timeout(None if due is None else max(0.0, due - server.clock())):
            await server.owed.wait()
    except TimeoutError:
        return
