"""Placing while somebody else does: the same key, another body, inventory's question, a slow rival."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.contracts.proto.inventory_pb2 import ReserveReply
from services.order.clients import Inventory
from services.order.domain.address import Address
from services.order.operations import checkout
from services.order.operations.checkout import Checkout, Command, Desk, Placed, PlacingTooSlow
from services.shared.identity import Principal, Role
from tests.conditions import eventually
from tests.service.order.baskets import put
from tests.service.order.shop import HOME, WAITERS, Shop


async def test_the_same_key_twice_at_once_is_one_order_and_one_answer(shop: Shop) -> None:
    first, second = await shop.at_once(*(shop.place((shop.lamp, 2), key="k") for _ in range(2)))

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json() == second.json()
    assert sorted("Idempotent-Replayed" in one.headers for one in (first, second)) == [False, True]
    assert len(await shop.client.facts()) == 1
    assert len(shop.stock.holds) == 1


async def test_the_same_key_at_once_with_another_address_is_refused(shop: Shop) -> None:
    other = {"shipping_address": HOME | {"line1": "9 Lane"}}

    answers = await shop.at_once(shop.place((shop.lamp, 2), key="k"), shop.place((shop.lamp, 2), key="k", **other))

    assert sorted(answer.status_code for answer in answers) == [201, 422]
    assert len(await shop.client.facts()) == 1


async def test_lines_that_changed_under_a_key_are_refused(shop: Shop) -> None:
    shop.stock.holds[shop.order_id("k")] = {str(shop.lamp): 2}

    other = await shop.place((shop.lamp, 3), key="k")

    assert (other.status_code, other.json()["type"]) == (422, "idempotency-key-reused")


async def test_an_attempt_that_died_after_its_hold_is_placed_when_it_is_repeated(shop: Shop) -> None:
    shop.stock.holds[shop.order_id("k")] = {str(shop.lamp): 100}

    again = await shop.place((shop.lamp, 100), key="k")

    assert (again.status_code, again.json()["id"]) == (201, shop.order_id("k"))


async def test_an_attempt_whose_hold_was_given_back_comes_too_late(shop: Shop) -> None:
    shop.stock.released.add(shop.order_id("k"))

    late = await shop.place((shop.lamp, 2), key="k")

    assert (late.status_code, late.json()["type"]) == (409, "checkout-expired")


async def test_an_inventory_that_answers_nonsense_counts_as_away(shop: Shop) -> None:
    shop.stock.outcome = ReserveReply.OUTCOME_UNSPECIFIED

    answer = await shop.place((shop.lamp, 2))

    assert (answer.status_code, answer.json()["type"]) == (503, "service-unavailable")


async def test_what_was_asked_about_before_it_was_placed_is_abandoned_for_ever(shop: Shop) -> None:
    order_id = shop.order_id("k")

    asked = await shop.ask(order_id)
    late = await shop.place((shop.lamp, 2), key="k")
    again = await shop.ask(order_id)

    assert asked.json() == again.json() == {"order_id": order_id, "outcome": "abandoned"}
    assert (late.status_code, late.json()["type"]) == (409, "checkout-expired")
    assert await shop.client.rows("SELECT id FROM orders") == []


async def test_a_placed_order_stays_placed_however_often_it_is_asked_about(shop: Shop) -> None:
    order = await shop.order()

    asked = [await shop.ask(order["id"]) for _ in range(2)]

    assert [one.json()["outcome"] for one in asked] == ["placed", "placed"]


@pytest.mark.parametrize("asks_first", [True, False])
async def test_asking_and_placing_at_once_agree_on_one_outcome(shop: Shop, *, asks_first: bool) -> None:
    ask, place = shop.ask(shop.order_id("k")), shop.place((shop.lamp, 2), key="k")

    answers = await asyncio.gather(*((ask, place) if asks_first else (place, ask)))

    asked, placed = answers if asks_first else reversed(answers)
    expected = {"placed": 201, "abandoned": 409}[asked.json()["outcome"]]
    assert placed.status_code == expected
    assert len(await shop.client.rows("SELECT id FROM orders")) == (expected == 201)


@pytest.mark.parametrize("outcome", ["placed", "abandoned"])
async def test_asking_waits_for_whoever_is_writing_and_answers_what_stands_then(shop: Shop, outcome: str) -> None:
    async with _writing(shop, outcome) as write:
        asking = asyncio.create_task(shop.ask(shop.order_id("k")))
        await eventually(shop.waiting)
        await write.commit()

    assert (await asking).json()["outcome"] == outcome


async def test_placing_waits_for_an_asking_in_flight_and_then_comes_too_late(shop: Shop) -> None:
    async with _writing(shop, "abandoned") as write:
        placing = asyncio.create_task(shop.place((shop.lamp, 2), key="k"))
        await eventually(shop.waiting)
        await write.commit()

    late = await placing
    assert (late.status_code, late.json()["type"]) == (409, "checkout-expired")
    assert await shop.client.facts() == []


async def test_placing_waits_for_an_asking_that_fails_and_then_places(shop: Shop) -> None:
    async with _writing(shop, "abandoned") as write:
        placing = asyncio.create_task(shop.place((shop.lamp, 2), key="k"))
        await eventually(shop.waiting)
        await write.rollback()

    assert (await placing).status_code == 201


async def test_a_first_request_that_writes_for_too_long_is_still_in_progress(shop: Shop) -> None:
    async with _writing(shop, "placed"):
        second = await shop.place((shop.lamp, 2), key="k")

    assert (second.status_code, second.json()["type"]) == (409, "request-in-progress")


async def test_whoever_waits_too_long_for_anything_but_a_rival_finds_a_store_that_is_too_busy(shop: Shop) -> None:
    async with shop.client.runtime.database.engine.connect() as other:
        await other.execute(text("LOCK TABLE outbox"))
        put_off = await shop.place((shop.lamp, 2), key="k")

    assert (put_off.status_code, put_off.json()["type"]) == (503, "store-unavailable")
    assert (await shop.place((shop.lamp, 2), key="k")).status_code == 201


async def test_placing_ends_before_its_caller_gives_up(shop: Shop) -> None:
    shop.stock.meanwhile = asyncio.Event().wait  # which nobody ever sets

    with pytest.raises(PlacingTooSlow):
        await _place_within(shop, 0)

    assert await shop.client.rows("SELECT order_id FROM placement") == []


async def test_an_attempt_that_ends_while_it_writes_leaves_nothing_behind(shop: Shop) -> None:
    async with _writing(shop, "placed"):
        with pytest.raises(PlacingTooSlow):
            await _place_within(shop, 0.1)
        assert not await shop.waiting()

    assert await shop.client.rows("SELECT order_id FROM placement") == []
    assert (await shop.place((shop.lamp, 2), key="k")).status_code == 201


async def _place_within(shop: Shop, seconds: float) -> Placed:
    runtime = shop.client.runtime
    wish = Checkout(
        command=Command(order_id=UUID(shop.order_id("k")), fingerprint="f"),
        customer=Principal(id=shop.ada_id, role=Role.CUSTOMER, token="t"),
        address=Address.model_validate(HOME),
        at=shop.clock.now,
    )
    desk = Desk(database=runtime.database, sidecar=runtime.sidecar, inventory=runtime.part(Inventory), seconds=seconds)
    return await checkout.place(wish, [(shop.lamp, 2)], desk=desk)


@asynccontextmanager
async def _writing(shop: Shop, outcome: str) -> AsyncIterator[AsyncConnection]:
    async with shop.client.runtime.database.engine.connect() as connection:
        values = {"id": UUID(shop.order_id("k")), "outcome": outcome}
        await connection.execute(text("INSERT INTO placement VALUES (:id, :outcome)"), values)
        yield connection


async def test_a_connection_that_is_lost_while_writing_places_nothing_and_says_to_come_again(shop: Shop) -> None:
    async with _writing(shop, "abandoned") as write:
        placing = asyncio.create_task(shop.place((shop.lamp, 2), key="k"))
        await eventually(shop.waiting)
        await shop.client.rows(f"SELECT pg_terminate_backend(pid) {WAITERS}")
        await write.rollback()

    lost = await placing
    again = await shop.place((shop.lamp, 2), key="k")
    assert (lost.status_code, lost.json()["type"]) == (503, "store-unavailable")
    assert again.status_code == 201


@pytest.mark.parametrize(
    "outcome", [ReserveReply.RELEASED, ReserveReply.INSUFFICIENT, ReserveReply.OUTCOME_UNSPECIFIED]
)
async def test_whoever_is_overtaken_under_their_own_key_gets_the_order_that_was_placed(
    shop: Shop, outcome: ReserveReply.Outcome
) -> None:
    async def overtaken() -> None:
        winner = await shop.place((shop.lamp, 2), key="k")
        await shop.cancel(winner.json())
        shop.stock.outcome = outcome

    shop.stock.meanwhile = overtaken

    loser = await shop.place((shop.lamp, 2), key="k")

    assert (loser.status_code, loser.headers.get("Idempotent-Replayed")) == (201, "true")
    assert (loser.json()["id"], loser.json()["status"]) == (shop.order_id("k"), "cancelled")


async def test_whoever_is_overtaken_by_another_body_is_told_so(shop: Shop) -> None:
    async def overtaken() -> None:
        await shop.place((shop.lamp, 3), key="k")

    shop.stock.meanwhile = overtaken

    loser = await shop.place((shop.lamp, 2), key="k")

    assert (loser.status_code, loser.json()["type"]) == (422, "idempotency-key-reused")


async def test_many_at_once_under_one_key_are_one_order_and_one_answer(shop: Shop) -> None:
    answers = await asyncio.gather(*(shop.place((shop.lamp, 2), key="k") for _ in range(40)))

    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert sum("Idempotent-Replayed" not in answer.headers for answer in answers) == 1
    assert len(await shop.client.facts()) == 1
    assert len(shop.stock.holds) == 1


async def test_many_tabs_that_order_one_cart_make_one_order(shop: Shop) -> None:
    await put(shop, shop.lamp, 2)

    answers = await asyncio.gather(*(shop.place(key=f"k{tab % 4}", from_cart=True) for tab in range(16)))

    placed = [answer for answer in answers if answer.status_code == 201]
    assert len({answer.json()["id"] for answer in placed}) == 1
    assert {answer.json()["type"] for answer in answers if answer not in placed} == {"cart-already-ordered"}
    assert len(placed) == 4
    assert len(await shop.client.facts()) == 1
