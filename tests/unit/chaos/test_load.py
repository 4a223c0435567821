import asyncio
import io
import json
import sys
from pathlib import Path

import pytest

from services.local.chaos import customers, load
from services.local.chaos.customers import CustomersGone
from services.local.chaos.history import attempts
from services.local.chaos.load import Task
from services.local.customer.place import Place
from tests.unit.chaos.shop import TroubledShop


def task(place: Place, **more: float) -> Task:
    values = {"customers": 3, "products": 5, "stock": 50, "measuring": 0.3, "seed": 1} | more
    return Task(base_url=place.base_url, operator_password="secret", history="", **values)  # type: ignore[arg-type]


async def journeys(shop: TroubledShop, given: Task, *, enough: int) -> tuple[list[float], io.StringIO]:
    """Let customers come until there are so many orders."""
    stream, rates = io.StringIO(), []

    async def ready(rate: float) -> None:
        rates.append(rate)
        shop.orders.clear()

    async def ended() -> None:
        while len(shop.orders) < enough:  # noqa: ASYNC110 - the shop tells nobody
            await asyncio.sleep(0.01)

    await load.run(given, stream, ready=ready, ended=ended)
    return rates, stream


async def test_customers_come_at_a_given_rate_until_they_are_told_to_stop(shop: TroubledShop, place: Place) -> None:
    rates, stream = await journeys(shop, task(place, rate=100), enough=10)

    placed = [one for one in attempts(stream.getvalue().splitlines()) if one.function == "place"]
    assert rates == [100]
    assert len({one.value["user_id"] for one in placed}) == 3
    assert all(one.ended is not None for one in placed)
    assert len(shop.products) == 5


async def test_without_a_rate_half_of_what_can_be_done_is_measured(shop: TroubledShop, place: Place) -> None:
    (rate,), _ = await journeys(shop, task(place), enough=1)

    assert rate > 0


async def test_shelves_are_filled_while_customers_shop(
    shop: TroubledShop, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "_RESTOCK_EVERY", 0.001)

    await journeys(shop, task(place, rate=300, products=2, stock=4), enough=30)

    assert any(method == "PUT" for method, _, _ in shop.asked)


async def test_shelves_that_cannot_be_filled_end_the_run(
    shop: TroubledShop, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load, "_RESTOCK_EVERY", 0.001)

    async def ready(_: float) -> None:
        shop.senseless = True

    with pytest.raises(ExceptionGroup) as broken:
        await load.run(task(place, rate=10), io.StringIO(), ready=ready, ended=asyncio.Event().wait)

    assert broken.group_contains(KeyError)


def test_the_program_reads_its_task_and_says_its_rate(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    seen: list[Task] = []

    async def run(task: Task, _stream: object, *, ready: object, ended: object) -> None:
        seen.append(task)
        await ready(2.5)  # type: ignore[operator]
        await ended()  # type: ignore[operator]

    monkeypatch.setattr(load, "run", run)
    told = {"base_url": "u", "operator_password": "p", "history": str(tmp_path / "h"), "seed": 3}
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{json.dumps(told)}\nbegin\nend\n"))

    load.main()

    assert seen[0].seed == 3
    assert json.loads(capsys.readouterr().out) == {"rate": 2.5}


def test_customers_that_cannot_prepare_are_noticed(tmp_path: Path) -> None:
    nowhere = Task(base_url="http://127.0.0.1:9", operator_password="", history=str(tmp_path / "h"), seed=1)

    with customers.started(nowhere) as crowd:
        with pytest.raises(CustomersGone, match="before its time"):
            crowd.ready()
        crowd.process.wait()
        with pytest.raises(CustomersGone):
            crowd.end(within=5)


async def test_customers_shop_in_a_process_of_their_own(shop: TroubledShop, place: Place, tmp_path: Path) -> None:
    given = Task(
        base_url=place.base_url,
        operator_password="secret",
        history=str(tmp_path / "history.jsonl"),
        seed=1,
        rate=50,
        customers=1,
        products=3,
    )
    with customers.started(given) as crowd:
        rate = await asyncio.to_thread(crowd.ready)
        crowd.begin()
        while not shop.orders:  # noqa: ASYNC110 - another process orders
            await asyncio.sleep(0.01)
        await asyncio.to_thread(crowd.end, within=60)

    assert rate == 50
    assert "invoke" in (tmp_path / "history.jsonl").read_text()
