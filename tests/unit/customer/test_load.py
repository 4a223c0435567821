import io
import json
import sys

import pytest

from services.local.customer import generator, load
from services.local.customer.generator import LoadBroken
from services.local.customer.load import Task
from services.local.customer.place import Place
from tests.unit.customer.shop import Shop


def at_once() -> None:
    """Nobody has to be waited for."""


def task(place: Place, kind: str, products: list[str], **more: float) -> Task:
    values: dict[str, float] = {"clients": 2, "seconds": 0.3, **more}
    address = f"{place.base_url}/healthz"
    return Task(kind=kind, base_url=place.base_url, products=products, address=address, **values)  # type: ignore[arg-type]


async def test_orders_are_placed_for_as_long_as_is_said(shop: Shop, place: Place) -> None:
    product = shop.stocked("Lamp", on_hand=1_000_000)

    measured = await load.run(task(place, "order", [product]), at_once)

    assert len(shop.orders) == len(measured.times) > 0
    assert len({order["owner"] for order in shop.orders.values()}) == 2
    assert 0.3 <= measured.seconds < 5
    assert measured.failures == []


async def test_what_the_shop_refuses_is_counted_apart(shop: Shop, place: Place) -> None:
    product = shop.stocked("Lamp", on_hand=3)

    measured = await load.run(task(place, "order", [product]), at_once)

    assert len(measured.times) == 3
    assert all("insufficient-stock" in failure for failure in measured.failures)
    assert measured.failures


@pytest.mark.parametrize("kind", ["read", "probe"])
async def test_reading_and_probing_need_no_customer(shop: Shop, place: Place, kind: str) -> None:
    product = shop.stocked("Lamp")

    measured = await load.run(task(place, kind, [product]), at_once)

    assert measured.times
    assert measured.failures == []
    assert len(shop.users) == 1


async def test_the_open_loop_places_pays_and_watches_some(shop: Shop, place: Place) -> None:
    product = shop.stocked("Lamp", on_hand=100)

    measured = await load.run(task(place, "pay", [product], rate=20), at_once)

    assert len(measured.times) == len(shop.payments) == 6
    assert len(measured.paid) == len(measured.told) == 2
    assert measured.failures == []


async def test_the_open_loop_counts_what_is_refused(shop: Shop, place: Place) -> None:
    product = shop.stocked("Lamp", on_hand=0)

    measured = await load.run(task(place, "pay", [product], rate=10), at_once)

    assert len(measured.failures) == 3
    assert measured.times == []


def test_the_program_reads_its_task_and_writes_what_it_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    told = {"kind": "pay", "base_url": "http://127.0.0.1:9", "clients": 0, "seconds": 0.01}
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{json.dumps(told)}\ngo\n"))

    load.main()

    ready, measured = capsys.readouterr().out.splitlines()
    assert ready == "ready"
    assert json.loads(measured)["times"] == []


def test_a_generator_that_breaks_is_noticed() -> None:
    task = Task(kind="order", base_url="http://127.0.0.1:9")

    with generator.started(task) as broken, pytest.raises(LoadBroken):
        broken.get_ready()


async def test_nothing_before_the_word_is_counted(shop: Shop, place: Place) -> None:
    product = shop.stocked("Lamp", on_hand=1_000_000)
    before: list[int] = []

    measured = await load.run(task(place, "order", [product], warming=0.2), lambda: before.append(len(shop.orders)))

    assert before[0] > 0
    assert len(measured.times) == len(shop.orders) - before[0]
