import asyncio
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import stripe

from services.local.stripe_server.app import stop_when_broken
from tests.unit.stripe_server.conftest import KEY, StandIn, free_port
from tests.unit.stripe_server.hooks import SECRET, Shop, wait_for


@contextmanager
def started(folder: Path, shop: Shop, port: int | None = None) -> Iterator[tuple[StandIn, subprocess.Popen[bytes]]]:
    port = port or free_port()
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


class Customer:
    """Buys again and again, and gives a part back; a call that got no answer is made again under its key."""

    def __init__(self, stand_in: StandIn, name: str, purchases: int) -> None:
        self.stand_in = stand_in
        self.name = name
        self.purchases = purchases
        self.bought: list[str] = []

    def shop(self) -> None:
        for number in range(self.purchases):
            self.bought.append(self.buy(f"{self.name}:{number}"))

    def buy(self, name: str) -> str:
        open_one = {"amount": 2_500, "currency": "eur", "metadata": {"name": name}}
        intent_id = str(self.ask(f"pi:{name}", self.stand_in.intents.create, params=open_one).id)
        card = {"payment_method": "pm_card_visa"}
        self.ask(f"confirm:{name}", self.stand_in.intents.confirm, intent_id, params=card)
        refund = {"payment_intent": intent_id, "amount": 500}
        self.ask(f"refund:{name}", self.stand_in.refunds.create, params=refund)
        return intent_id

    def ask(self, key: str, call: Callable[..., Any], *arguments: Any, **params: Any) -> Any:
        for _ in range(100):
            try:
                return call(*arguments, **params, options={"idempotency_key": key})
            except stripe.APIConnectionError:
                wait_for(lambda: answers(self.stand_in), within=60)
        raise TimeoutError(key)


def test_nothing_is_lost_or_doubled_however_often_the_process_is_killed(tmp_path: Path, shop: Shop) -> None:
    port = free_port()
    client = stripe.StripeClient(KEY, base_addresses={"api": f"http://127.0.0.1:{port}"}, max_network_retries=0)
    customers = [Customer(StandIn(f"http://127.0.0.1:{port}", client), name, 6) for name in ("ada", "bob", "eve")]
    shopping = [threading.Thread(target=customer.shop) for customer in customers]
    for one in shopping:
        one.start()
    for purchases in (2, 7, 12):
        with started(tmp_path, shop, port) as (_, process):
            wait_for(lambda: sum(len(one.bought) for one in customers) >= purchases, within=60)  # noqa: B023 - waits here
            process.kill()

    with started(tmp_path, shop, port) as (stand_in, _):
        for one in shopping:
            one.join()
        ids = {intent_id for customer in customers for intent_id in customer.bought}
        wait_for(lambda: {e.data.object.id for e in shop.events if e.type == "payment_intent.succeeded"} == ids)
        assert {one.id for one in stand_in.intents.list(params={"limit": 100}).data} == ids
        assert Counter(stand_in.movements) == {("charge", 2_500, 60): 18, ("refund", -500, 0): 18}
        wait_for(lambda: len({event.id for event in shop.events}) == 3 * 18)


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
