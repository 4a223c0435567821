import gzip
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from services.local.customer import client, demo, narration
from services.local.customer.actors import Cast
from services.local.customer.client import Unexpected
from services.local.customer.narration import Broken, Narrator
from services.local.customer.place import Place
from tests.unit.customer.shop import Shop


@pytest.fixture
def without_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SIDECART_DATA", str(tmp_path / "nowhere"))


@pytest.fixture
def with_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SIDECART_DATA", str(tmp_path))
    row = {"sku": "R-1", "title": "Bluetooth Speaker of the file", "price_cents_usd": 500}
    (tmp_path / "products.jsonl.gz").write_bytes(gzip.compress(json.dumps(row).encode() + b"\n"))


def stocked(shop: Shop) -> None:
    shop.stocked("A Bluetooth Speaker")
    shop.stocked("Another Bluetooth Speaker")


@pytest.mark.usefixtures("without_file")
async def test_the_demo_tells_the_whole_journey(shop: Shop, place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    stocked(shop)

    await demo.play(place)

    told = capsys.readouterr().out
    assert "so the generated catalogue is used" in told
    assert "✗" not in told
    assert told.count("✓") == 20
    assert "All of it is so." in told
    assert sorted(order["status"] for order in shop.orders.values()) == ["cancelled", "cancelled", "delivered"]


@pytest.mark.usefixtures("with_file")
async def test_the_reference_catalogue_is_imported_once(
    shop: Shop, place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    stocked(shop)
    await demo.play(place)
    shop.stocked("Bluetooth Speaker of the file", sku="R-1")

    await demo.play(place)

    ((content_type, body),) = shop.imports
    assert content_type == "application/x-ndjson"
    assert json.loads(body)["on_hand"] == 100
    assert "is here already" in capsys.readouterr().out


@pytest.mark.usefixtures("without_file")
@pytest.mark.parametrize(
    ("lie", "complaint"),
    [
        ("pending", "the new order is paid"),
        ("refusal", "it was refused as out-of-stock"),
        ("refund", "not all of it was refunded"),
    ],
)
async def test_the_demo_does_not_overlook_a_broken_promise(
    shop: Shop, place: Place, capsys: pytest.CaptureFixture[str], lie: str, complaint: str
) -> None:
    stocked(shop)
    shop.lies.add(lie)

    with pytest.raises(Broken, match=complaint):
        await demo.play(place)

    assert "✗" in capsys.readouterr().out


@pytest.mark.usefixtures("without_file")
async def test_the_demo_notices_when_strangers_see_an_order(shop: Shop, place: Place) -> None:
    stocked(shop)
    shop.lies.add("owner")

    with pytest.raises(Unexpected, match="answered 200 instead of 404"):
        await demo.play(place)


async def test_waiting_ends_with_what_was_seen_last() -> None:
    async def ask() -> str:
        return "still pending"

    with pytest.raises(Broken, match="the order being paid has not happened within 0 s; last seen: still pending"):
        await narration.eventually(ask, lambda _: False, what="the order being paid", within=0.05)


async def test_waiting_goes_on_until_it_is_so() -> None:
    answers = iter([1, 2, 3])

    async def ask() -> int:
        return next(answers)

    assert await narration.eventually(ask, lambda answer: answer > 2, what="three") == 3


def test_a_defect_is_not_told_as_a_broken_promise() -> None:
    written = io.StringIO()
    narrator = Narrator(Console(file=written))

    with pytest.raises(ZeroDivisionError), narrator.step("dividing"):
        print(1 / 0)  # noqa: T201 - never reached

    assert written.getvalue() == ""


async def test_staff_and_customers_are_different_people(place: Place) -> None:
    async with client.connected(place.base_url) as api:
        cast = await Cast.gathered(api, place)
        ada = await cast.new_customer("Ada")

    assert cast.staff.headers != ada.api.headers
    assert cast.anyone.headers == {}
