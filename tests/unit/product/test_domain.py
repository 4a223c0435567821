"""What a product is and how it changes."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from services.contracts.money import Money
from services.product.domain import Product, SkuCannotChange, opening_stock, product_id_of, thousandths

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
LAMP = Product(
    id=product_id_of("LAMP-1"),
    sku="LAMP-1",
    name="Desk lamp",
    description="",
    price=Money.of(3990, "EUR"),
    category=None,
    brand=None,
    attributes={},
    gtin=(),
    is_active=True,
    version=1,
    created_at=NOW,
    updated_at=NOW,
)


def test_a_sku_always_means_the_same_product() -> None:
    assert product_id_of("LAMP-1") == product_id_of("LAMP-1")
    assert product_id_of("LAMP-1") != product_id_of("lamp-1")


def test_a_change_is_a_new_version_and_leaves_the_old_one_as_it_was() -> None:
    later = NOW + timedelta(hours=1)

    changed = LAMP.changed({"name": "Floor lamp", "sku": "LAMP-1"}, at=later)

    assert (changed.name, changed.version, changed.updated_at, changed.created_at) == ("Floor lamp", 2, later, NOW)
    assert (LAMP.name, LAMP.version) == ("Desk lamp", 1)


def test_a_sku_cannot_change() -> None:
    with pytest.raises(SkuCannotChange, match="LAMP-1"):
        LAMP.changed({"sku": "LAMP-2"}, at=NOW)


def test_opening_stock_that_is_declared_by_two_versions_is_two_facts() -> None:
    first = LAMP.opened_with(5)
    second = LAMP.changed({}, at=NOW).opened_with(6)

    assert first.event_id != second.event_id
    assert first == LAMP.opened_with(5)
    assert [(level.product_id, level.on_hand) for level in second.levels] == [(LAMP.id, 6)]


def test_a_declaration_that_is_repeated_is_one_fact() -> None:
    declaration = uuid4()

    facts = {opening_stock(declaration, [(LAMP.id, 5)], at=NOW).event_id for _ in range(2)}

    assert len(facts) == 1


@pytest.mark.parametrize(
    ("minor", "currency", "expected"), [(1250, "EUR", 12_500), (900, "JPY", 900_000), (1, "KWD", 1)]
)
def test_prices_of_all_currencies_share_a_scale(minor: int, currency: str, expected: int) -> None:
    assert thousandths(minor, currency) == expected
