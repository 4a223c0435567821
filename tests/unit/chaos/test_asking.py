import asyncio
from dataclasses import replace

import pytest

from services.local.chaos.asking import NONSENSE, Ask, Asking, Question
from services.local.chaos.history import Outcome
from services.local.customer.client import Reply
from tests.unit.chaos.conftest import Visit
from tests.unit.chaos.shop import TroubledShop


async def test_what_nobody_knows_is_asked_again_with_the_same_key(shop: TroubledShop, visit: Visit) -> None:
    product = shop.stocked("Lamp")
    shop.answers.extend([(503, {"slug": "service-unavailable"}), (500, {"slug": "internal"}), (201, "")])

    order = await visit.shopper.place("ada", [(product, 1)])

    assert order in shop.orders
    assert visit.told() == [("place", "info"), ("place", "info"), ("place", "info"), ("place", "ok")]
    assert visit.attempts()[2].told["error"] == NONSENSE
    assert len({one.value["key"] for one in visit.attempts()}) == 1
    assert len({key for method, path, key in shop.asked if path == "/api/v1/orders"}) == 1


@pytest.mark.parametrize(
    ("status", "slug", "outcomes"),
    [
        (409, "insufficient-stock", ["fail"]),
        (404, "not-found", ["fail"]),
        (402, "payment-declined", ["fail"]),
        (409, "request-in-progress", ["info", "ok"]),
        (409, "payment-in-progress", ["fail", "ok"]),
        (429, "too-many-requests", ["fail", "ok"]),
    ],
)
async def test_a_refusal_ends_the_matter_unless_it_is_a_matter_of_time(
    shop: TroubledShop, visit: Visit, status: int, slug: str, outcomes: list[str]
) -> None:
    product = shop.stocked("Lamp")
    shop.answers.append((status, {"slug": slug}))

    await visit.shopper.place("ada", [(product, 1)])

    assert [outcome for _, outcome in visit.told()] == outcomes
    first = visit.attempts()[0].told
    assert (first["error"], first["status"]) == (slug, status)


async def test_a_token_that_has_ended_is_replaced(shop: TroubledShop, visit: Visit) -> None:
    product = shop.stocked("Lamp")
    shop.answers.append((401, {"slug": "unauthenticated"}))

    order = await visit.shopper.place("ada", [(product, 1)])

    assert order in shop.orders
    assert [path for _, path, _ in shop.asked[-3:]] == ["/api/v1/orders", "/api/v1/users/login", "/api/v1/orders"]


async def test_who_cannot_log_in_just_now_goes_on_asking(
    shop: TroubledShop, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.local.chaos.shoppers._REST", 0.001)
    product = shop.stocked("Lamp")
    shop.answers.extend([(401, {"slug": "unauthenticated"}), (503, {"slug": "service-unavailable"})])

    assert await visit.shopper.place("ada", [(product, 1)]) in shop.orders


def question(ask: Ask) -> Question:
    return Question(process="ada", function="cancel", value={"order_id": "1"}, ask=ask, read=lambda reply: reply.body)


async def test_patience_ends(visit: Visit) -> None:
    async def silent() -> Reply:
        await asyncio.Event().wait()
        raise AssertionError

    asking = Asking(history=visit.clerk.asking.history, patience=0.05, attempt_seconds=0.02, first_pause=0.001)

    reply = await asking.settle(question(silent), login=visit.shopper.account.login)

    assert reply is None
    assert {one.outcome for one in visit.attempts()} == {Outcome.INFO}
    assert visit.attempts()[0].told["error"] == "no answer in time"


async def test_where_nobody_answers_nothing_is_known(visit: Visit) -> None:
    nowhere = replace(visit.shopper.account.api, base_url="http://127.0.0.1:1")
    asking = Asking(history=visit.clerk.asking.history, patience=0, first_pause=0.001)

    await asking.settle(question(lambda: nowhere.call("DELETE", "/orders/1")), login=visit.shopper.account.login)

    assert visit.told() == [("cancel", "info")]
    assert "Cannot connect" in visit.attempts()[0].told["error"]
