import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import stripe

from services.local.stripe_server.app import stop_when_broken
from tests.unit.stripe_server.conftest import KEY, StandIn, free_port
from tests.unit.stripe_server.hooks import SECRET, Shop, wait_for


@contextmanager
def started(folder: Path, shop: Shop) -> Iterator[tuple[StandIn, subprocess.Popen[bytes]]]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    arguments = ("--port", str(port), "--state", str(folder), "--webhook-url", shop.url)
    process = subprocess.Popen(
        (sys.executable, "-m", "services.local.stripe_server", *arguments),
        env={**os.environ, "STRIPE_API_KEY": KEY, "STRIPE_WEBHOOK_SECRET": SECRET},
    )
    stand_in = StandIn(url, stripe.StripeClient(KEY, base_addresses={"api": url}, max_network_retries=0))
    try:
        wait_for(lambda: answers(stand_in), within=30)
        yield stand_in, process
    finally:
        process.terminate()
        process.wait()


def answers(stand_in: StandIn) -> bool:
    try:
        return bool(stand_in.request("GET", "/healthz"))
    except OSError:
        return False


def test_nothing_that_was_answered_is_lost_when_the_process_is_killed(tmp_path: Path, shop: Shop) -> None:
    with started(tmp_path, shop) as (stand_in, process):
        ids = [stand_in.paid().id for _ in range(20)]
        process.kill()
        process.wait()

    with started(tmp_path, shop) as (stand_in, _):
        wait_for(lambda: {event.data.object.id for event in shop.events} == set(ids))

        assert {one.id for one in stand_in.intents.list(params={"limit": 100}).data} == set(ids)


async def test_the_process_ends_when_its_worker_breaks() -> None:
    async def break_down() -> None:
        raise OSError("no disk")

    working = asyncio.create_task(break_down())
    await asyncio.wait([working])

    with pytest.raises(SystemExit, match="no disk"):
        stop_when_broken(working)


async def test_a_worker_that_is_cancelled_ends_nothing() -> None:
    working = asyncio.create_task(asyncio.Event().wait())
    working.cancel()
    await asyncio.wait([working])

    stop_when_broken(working)  # type: ignore[arg-type]
