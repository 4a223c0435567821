import gzip
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from services.local.console import Steps
from services.local.customer import bench, catalogue
from services.local.customer.bench import Bench, Pace, TooManyFailures
from services.local.customer.place import NothingRuns, Place
from services.local.state import Phase, Record, State, birth
from services.local.system import System
from tests.unit.customer.shop import Shop, opened_beside

QUICK = Pace(settling=0.01, idle=0.1, arriving=0.01, warming=0.1, probe=0.1, one=0.3, many=0.6)
SIDECAR = 8200 - 8080


@pytest.fixture
def place(shop: Shop, tmp_path: Path) -> Iterator[Place]:
    with opened_beside(shop, tmp_path, also=SIDECAR) as open_shop:
        yield open_shop


@pytest.fixture
def system(place: Place, tmp_path: Path) -> System:
    """A system whose gateway and gateway's sidecar are the shop in memory, and whose processes are this one."""
    offset = (urlsplit(place.base_url).port or 0) - 8080
    me = os.getpid()
    state = State(tmp_path)
    state.secrets.write_text('{"operator-password": "secret", "dapr-api-token-gateway": "t"}')
    state.write(Record(supervisor=me, started=birth(me), offset=offset, phase=Phase.HEALTHY))
    return System(state, offset)


def stocked(shop: Shop, *, on_hand: int = 1_000_000) -> None:
    for name in ("A Lamp", "A Desk", "A Chair"):
        shop.stocked(name, on_hand=on_hand)


def test_every_figure_is_measured_and_printed(
    shop: Shop, system: System, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stocked(shop)
    shop.stocked("Speaker of the file", sku="R-1", on_hand=1_000_000)
    row = {"sku": "R-1", "title": "Speaker of the file", "price_cents_usd": 500}
    (tmp_path / "products.jsonl.gz").write_bytes(gzip.compress(json.dumps(row).encode() + b"\n"))
    monkeypatch.setenv("SIDECART_DATA", str(tmp_path))
    given: list[Mapping[str, str]] = []

    @contextmanager
    def start(*, env: Mapping[str, str]) -> Iterator[System]:
        given.append(env)
        yield system

    figures = bench.measure_fresh(start, QUICK)

    told = capsys.readouterr().out
    assert given == [{"SIDECART_RATE_LIMIT_FACTOR": "1000"}]
    assert [figure.name for figure in figures] == [
        "up, everything cached",
        "memory idle (PSS)",
        "CPU idle",
        "import of 1 products",
        "then searchable within",
        "order placed, 1 client, p50",
        "order placed, 1 client, p99",
        "orders, 8 clients",
        "CPU for an order",
        "product read past the cache, p50",
        "product reads past the cache, 8 clients",
        "CPU for a read",
        "payment accepted to order paid, p50",
        "payment accepted to timeline, p50",
        "CPU for an order placed and paid",
    ]
    assert all(figure.reached >= 0 for figure in figures)
    assert "payment accepted to order paid" in told


async def test_where_there_is_no_file_the_generated_catalogue_is_imported(
    shop: Shop, place: Place, system: System
) -> None:
    first = next(catalogue.generate())
    shop.stocked(first.name, sku=first.sku)

    figures = await Bench(place, system.state, Steps(), QUICK).imports(None)

    assert [figure.name for figure in figures] == ["import of 2,000 products", "then searchable within"]


def test_figures_of_a_shop_that_refuses_are_not_given(
    shop: Shop, place: Place, system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert system.state.running()
    first = next(catalogue.generate())
    shop.stocked(first.name, sku=first.sku, on_hand=0)
    monkeypatch.setenv("SIDECART_DATA", "/nowhere")

    with pytest.raises(TooManyFailures, match="insufficient-stock"):
        bench.measure_running(place, QUICK)


def test_a_system_that_has_stopped_cannot_be_measured(place: Place) -> None:
    with pytest.raises(NothingRuns):
        bench.measure_running(place, QUICK)
