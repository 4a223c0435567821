from typing import Any

import pytest

from services.local.chaos import journeys
from services.local.chaos.journeys import Journey
from services.local.chaos.shoppers import several
from tests.unit.chaos.conftest import Visit
from tests.unit.chaos.shop import TroubledShop


@pytest.mark.parametrize(
    ("way", "functions", "status"),
    [
        (Journey.buy, ["place", "pay"], "paid"),
        (Journey.browse, ["place"], "pending"),
        (Journey.change_mind, ["place", "cancel"], "cancelled"),
        (Journey.give_back, ["place", "pay", "cancel"], "cancelled"),
    ],
)
async def test_a_journey_is_a_handful_of_requests(
    shop: TroubledShop, visit: Visit, way: Any, functions: list[str], status: str
) -> None:
    await way(visit.journey(shop.stocked("Lamp"), seed=3))

    assert visit.told() == [(function, "ok") for function in functions]
    assert [order["status"] for order in shop.orders.values()] == [status]


@pytest.mark.parametrize("way", [Journey.try_cards, Journey.authenticate, Journey.change_mind, Journey.race])
async def test_a_journey_ends_where_there_is_no_stock(shop: TroubledShop, visit: Visit, way: Any) -> None:
    await way(visit.journey(shop.stocked("Lamp", on_hand=0), seed=3))

    assert visit.told() == [("place", "fail")]


@pytest.mark.parametrize("way", [Journey.give_back, Journey.complain])
async def test_what_could_not_be_ordered_is_not_given_back(shop: TroubledShop, visit: Visit, way: Any) -> None:
    await way(visit.journey(shop.stocked("Lamp", on_hand=0), seed=3))

    assert visit.told() == [("place", "fail")]


async def test_a_declined_card_is_followed_by_a_good_one_more_often_than_not(shop: TroubledShop, visit: Visit) -> None:
    product = shop.stocked("Lamp", on_hand=100)

    for seed in range(12):
        await visit.journey(product, seed=seed).try_cards()

    declined = [one for one in visit.attempts() if one.value.get("method") == journeys.DECLINED]
    good = [one for one in visit.attempts() if one.value.get("method") == journeys.VISA]
    assert {one.told["decline_code"] for one in declined} == {"generic_decline"}
    assert 0 < len(good) < len(declined)


async def test_a_customer_answers_the_bank(shop: TroubledShop, visit: Visit) -> None:
    product = shop.stocked("Lamp", on_hand=100)

    for seed in range(12):
        await visit.journey(product, seed=seed).authenticate()

    assert {path for _, path, _ in shop.asked if path.startswith("/bank")} == {"/bank/pass", "/bank/fail"}


async def test_a_bank_that_is_away_leaves_the_payment_as_it_is(visit: Visit, shop: TroubledShop) -> None:
    await visit.journey(shop.stocked("Lamp"))._answer("http://127.0.0.1:1/bank")  # noqa: SLF001 - the bank's end

    assert visit.told() == []


async def test_paying_and_cancelling_are_under_way_together(shop: TroubledShop, visit: Visit) -> None:
    await visit.journey(shop.stocked("Lamp"), seed=3).race()

    _, paying, cancelling = visit.attempts()
    assert {paying.process, cancelling.process} == {"ada", "ada.canceller"}
    assert paying.ended is not None
    assert cancelling.began < paying.ended


async def test_a_complaint_gives_all_or_some_of_the_money_back(shop: TroubledShop, visit: Visit) -> None:
    product = shop.stocked("Lamp", on_hand=100)

    for seed in range(12):
        await visit.journey(product, seed=seed).complain()

    amounts = {str(refund.get("amount")) for refund in shop.refunds}
    assert amounts == {"None", "{'amount': '10.00', 'currency': 'USD'}"}
    asked = {one.value["amount_minor"] for one in visit.attempts() if one.function == "refund"}
    assert asked == {None, 1000}


async def test_the_same_request_may_be_sent_twice_at_once(shop: TroubledShop, visit: Visit) -> None:
    order = await visit.shopper.place("ada", [(shop.stocked("Lamp"), 1)], copies=2)

    first, second = visit.attempts()
    assert (first.process, second.process) == ("ada", "ada.2")
    assert first.value["key"] == second.value["key"]
    assert order in shop.orders


async def test_every_way_is_gone_sooner_or_later(shop: TroubledShop, visit: Visit) -> None:
    product = shop.stocked("Lamp", on_hand=1_000)

    for seed in range(60):
        await journeys.play(visit.journey(product, seed=seed))

    assert {function for function, _ in visit.told()} == {"place", "pay", "cancel", "refund"}


async def test_the_clerk_fills_a_shelf_that_is_nearly_empty(shop: TroubledShop, visit: Visit) -> None:
    product = shop.stocked("Lamp", on_hand=3)

    filled = [await visit.clerk.stock(product, below=4, units=10) for _ in range(2)]

    assert filled == [True, False]
    assert shop.stock[product]["on_hand"] == 13


async def test_a_shelf_that_has_changed_meanwhile_is_left_alone(shop: TroubledShop, visit: Visit) -> None:
    shop.stale = True

    assert not await visit.clerk.stock(shop.stocked("Lamp", on_hand=0), below=4, units=10)


async def test_several_are_exactly_so_many(visit: Visit) -> None:
    assert len({shopper.user_id for shopper in await several(11, lambda: _registered(visit))}) == 11


async def _registered(visit: Visit) -> Any:
    return await type(visit.shopper).registered(visit.shopper.account.anyone, visit.shopper.asking)
