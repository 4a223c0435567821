"""Staff see and set stock, which inventory keeps."""

from uuid import uuid4

import grpc
import pytest

from services.contracts.proto.inventory_pb2 import Level, SetLevelReply
from services.shared.identity import Role
from tests.service.doors import Tokens
from tests.service.product.conftest import Ledger
from tests.service.product.shop import Shop


@pytest.fixture
async def shop(ledger: Ledger, shop: Shop) -> Shop:
    """The shop, opened after the inventory that it is connected to."""
    assert ledger.levels == {}
    return shop


@pytest.fixture
async def path(shop: Shop) -> str:
    return f"/products/{(await shop.create())['id']}/inventory"


async def test_stock_that_nobody_booked_is_zero(shop: Shop, path: str) -> None:
    answer = await shop.client.get(path, headers=shop.staff)

    nothing = {"on_hand": 0, "reserved": 0, "available": 0, "version": 0}
    assert answer.json() == nothing | {"product_id": path.split("/")[2]}
    assert answer.headers["ETag"] == '"0"'


async def test_stock_is_counted_and_adjusted_for_the_person_who_asks(shop: Shop, path: str, ledger: Ledger) -> None:
    counted = await shop.client.put(path, json={"on_hand": 10}, headers=shop.staff)
    adjusted = await shop.client.put(path, json={"adjust_by": -3, "reason": "broken"}, headers=shop.staff)
    seen = await shop.client.get(path, headers=shop.staff)

    assert (counted.json()["on_hand"], counted.headers["ETag"]) == (10, '"1"')
    assert (adjusted.json()["on_hand"], adjusted.headers["ETag"]) == (7, '"2"')
    assert seen.json() == adjusted.json()
    assert ledger.reasons == ["counted", "broken"]
    assert set(ledger.tokens) == {shop.staff["Authorization"]}


async def test_stock_cannot_fall_below_what_orders_hold(shop: Shop, path: str, ledger: Ledger) -> None:
    product_id = path.split("/")[2]
    ledger.levels[product_id] = Level(product_id=product_id, on_hand=10, reserved=4, version=3)

    answer = await shop.client.put(path, json={"on_hand": 3}, headers=shop.staff)

    assert (answer.status_code, answer.json()["type"]) == (409, "below-reserved")
    assert "4 units" in answer.json()["detail"]


@pytest.mark.parametrize(("if_match", "status"), [('"0"', 200), ("*", 200), ('"7"', 412), ("seven", 412), ('"x"', 412)])
async def test_a_condition_on_stock_is_honoured(shop: Shop, path: str, if_match: str, status: int) -> None:
    answer = await shop.client.put(path, json={"on_hand": 3}, headers=shop.staff | {"If-Match": if_match})

    assert answer.status_code == status


@pytest.mark.parametrize(
    "body",
    [{}, {"on_hand": 1, "adjust_by": 1, "reason": "both"}, {"adjust_by": 1}, {"on_hand": -1}, {"on_hand": True}],
)
async def test_a_booking_that_makes_no_sense_is_refused(shop: Shop, path: str, body: dict[str, object]) -> None:
    assert (await shop.client.put(path, json=body, headers=shop.staff)).status_code == 422


async def test_stock_of_an_unknown_product_is_not_found(shop: Shop) -> None:
    path = f"/products/{uuid4()}/inventory"

    assert (await shop.client.get(path, headers=shop.staff)).status_code == 404
    assert (await shop.client.put(path, json={"on_hand": 1}, headers=shop.staff)).status_code == 404


async def test_stock_is_for_staff(shop: Shop, path: str, tokens: Tokens) -> None:
    assert (await shop.client.get(path, headers=tokens.headers(Role.CUSTOMER))).status_code == 403
    assert (await shop.client.get(path)).status_code == 401


async def test_what_inventory_refuses_is_told(shop: Shop, path: str, ledger: Ledger) -> None:
    ledger.refusal = grpc.StatusCode.INVALID_ARGUMENT

    answer = await shop.client.put(path, json={"adjust_by": 1, "reason": "found"}, headers=shop.staff)

    assert (answer.status_code, answer.json()["type"]) == (422, "booking-refused")


@pytest.mark.parametrize("body", [{"on_hand": 10}, {"adjust_by": 1, "reason": "found"}])
@pytest.mark.parametrize("headers", [{}, {"If-Match": '"0"'}])
async def test_a_booking_whose_answer_is_lost_is_not_repeated_and_said_to_be_uncertain(
    shop: Shop, path: str, ledger: Ledger, body: dict[str, object], headers: dict[str, str]
) -> None:
    ledger.loses_answers = True

    answer = await shop.client.put(path, json=body, headers=shop.staff | headers)

    assert (answer.status_code, answer.json()["type"]) == (503, "booking-uncertain")
    assert "Retry-After" not in answer.headers
    assert len(ledger.reasons) == 1


async def test_an_answer_that_does_not_say_what_was_booked_is_no_success(shop: Shop, path: str, ledger: Ledger) -> None:
    ledger.outcome = SetLevelReply.OUTCOME_UNSPECIFIED

    answer = await shop.client.put(path, json={"on_hand": 10}, headers=shop.staff)

    assert (answer.status_code, answer.json()["type"]) == (503, "booking-uncertain")


async def test_an_inventory_that_is_away_is_told(shop: Shop, path: str, ledger: Ledger) -> None:
    ledger.refusal = grpc.StatusCode.UNAVAILABLE

    answer = await shop.client.get(path, headers=shop.staff)

    assert (answer.status_code, answer.json()["type"]) == (503, "service-unavailable")
