"""Every order and duplication of the events of a payment's life makes one ledger."""

from collections.abc import Callable

from services.local.proofs import webhooks


async def test_every_order_of_the_events_of_a_life_makes_one_ledger(database_of: Callable[[str], str]) -> None:
    told: list[str] = []

    result = await webhooks.prove(database_of("payment"), webhooks.Options(choices=1), told.append)

    assert result.wrong == []
    assert dict(result.orders) == {"paid and partly refunded": 720, "disputed and won": 120, "disputed and lost": 24}
    assert (result.lives, len(told)) == (864, 3)
    assert result.deliveries > 2 * result.lives
    assert result.verdict.is_reached
