"""Whatever the order and duplication of the events of a payment's life, they make one ledger."""

from collections.abc import Callable

from services.local.proofs import webhooks


async def test_whatever_the_order_of_a_lifes_events_they_make_one_ledger(
    database_of: Callable[[str], str],
) -> None:
    told: list[str] = []

    result = await webhooks.prove(database_of("payment"), webhooks.Options(orders=60, choices=1), told.append)

    assert result.wrong == []
    assert result.orders == {
        "paid and partly refunded": (60, 720),
        "disputed and won": (60, 120),
        "disputed and lost": (24, 24),
    }
    assert (result.lives, len(told)) == (144, 3)
    assert result.deliveries > 2 * result.lives
    assert result.verdict.is_reached
