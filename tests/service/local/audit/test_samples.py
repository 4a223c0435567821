"""What the looks at the stock see while processes are killed: everything that I3 forbids, whatever the tables allow."""

import asyncio

import psycopg
import pytest

from services.local.chaos import sampling
from services.local.chaos.sampling import Samples
from tests.conditions import eventually
from tests.service.local.audit.conftest import Case


async def looked(case: Case) -> Samples:
    samples = Samples()
    looking = asyncio.create_task(sampling.look(case.sources.databases["inventory"], samples))
    await eventually(lambda: asyncio.sleep(0, samples.taken or looking.done()))
    looking.cancel()
    await asyncio.wait([looking])
    return samples


async def test_a_town_that_sold_a_little_is_not_oversold(case: Case) -> None:
    assert await looked(case) == Samples(taken=1, oversold=0)


@pytest.mark.parametrize(
    ("statements", "units"),
    [
        (["UPDATE stock_level SET on_hand = on_hand + 3 WHERE product_id = %(rug)s"], 3),
        (["UPDATE hold_line SET quantity = quantity + 1 WHERE order_id = %(pending)s"], 1),
        (["DELETE FROM stock_entry WHERE order_id = %(paid)s AND kind = 'committed'"], 2),
        (["INSERT INTO stock_level (product_id, on_hand, reserved, version) VALUES (gen_random_uuid(), 5, 0, 1)"], 5),
        (
            [
                "ALTER TABLE stock_level DROP CONSTRAINT stock_level_is_never_oversold",
                "UPDATE stock_level SET on_hand = on_hand - 19 WHERE product_id = %(rug)s",
            ],
            1 + 19,
        ),
    ],
)
async def test_a_level_that_is_not_what_was_booked_or_held_is_oversold(
    case: Case, statements: list[str], units: int
) -> None:
    case.plant("inventory", *statements)

    assert (await looked(case)).oversold == units


async def test_a_database_that_cannot_be_read_ends_the_looking(case: Case) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable):
        await sampling.look(case.sources.databases["order"], Samples())
