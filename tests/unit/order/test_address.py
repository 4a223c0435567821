from typing import Any

import pytest
from pydantic import ValidationError

from services.order.domain.address import COUNTRIES, Address

GOOD: dict[str, Any] = {"name": "Ada", "line1": "1 Road", "city": "Berlin", "postal_code": "10115", "country": "DE"}


def test_an_address_needs_neither_a_second_line_nor_a_region_and_loses_stray_spaces() -> None:
    address = Address(**GOOD | {"name": "  Ada  "})

    assert (address.name, address.line2, address.region) == ("Ada", None, None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("country", "XX"),
        ("country", "de"),
        ("country", "DEU"),
        ("name", "   "),
        ("line1", "x" * 201),
        ("postal_code", "1" * 21),
        ("city", None),
        ("planet", "Mars"),
    ],
)
def test_an_address_refuses_what_no_carrier_could_read(field: str, value: object) -> None:
    with pytest.raises(ValidationError):
        Address(**GOOD | {field: value})


def test_all_countries_are_known() -> None:
    assert len(COUNTRIES) == 249
    assert all(len(code) == 2 and code.isupper() for code in COUNTRIES)
