"""Money is exact, and says so on the wire."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from services.contracts.money import LARGEST_MINOR, MINOR_DIGITS, CurrencyMismatch, Money, Price


class Tag(BaseModel):
    price: Price


CURRENCIES = st.sampled_from(sorted(MINOR_DIGITS))
MINORS = st.integers(-LARGEST_MINOR, LARGEST_MINOR)


@given(MINORS, CURRENCIES)
def test_an_amount_survives_the_wire(minor: int, currency: str) -> None:
    money = Money.of(minor, currency)

    assert Money.model_validate_json(money.model_dump_json()) == money


@given(st.lists(MINORS, max_size=50), CURRENCIES)
def test_a_total_is_the_sum_of_its_amounts(minors: list[int], currency: str) -> None:
    total = Money.total((Money.of(minor, currency) for minor in minors), currency)

    assert total.minor == sum(minors)


@pytest.mark.parametrize(("currency", "amount"), [("EUR", "12.50"), ("JPY", "1250"), ("KWD", "1.250")])
def test_an_amount_has_exactly_its_currencys_digits(currency: str, amount: str) -> None:
    assert Money.of(1250, currency).amount == amount
    assert Money.parse(amount, currency).minor == 1250


@pytest.mark.parametrize(
    "amount",
    [
        "12.5",
        "12.500",
        "12",
        ".50",
        "1e5",
        "+1.00",
        " 1.00",
        "1,00",
        "",
        "-",
        "NaN",
        "\u0663.\u0660\u0660",
        "1" * 14 + ".00",
        "99999999999999.00",
    ],
)
def test_anything_else_is_refused(amount: str) -> None:
    with pytest.raises(ValidationError):
        Money.parse(amount, "EUR")


@pytest.mark.parametrize(
    "value",
    [
        12.5,
        "12.50",
        None,
        {"amount": 12.5, "currency": "EUR"},
        {"amount": "12.50"},
        {"amount": "1.00", "currency": "XXX"},
        {"minor": 5, "currency": "EUR"},
        {"amount": "1.00", "currency": "EUR", "note": ""},
    ],
)
def test_money_is_neither_a_float_nor_bare(value: object) -> None:
    with pytest.raises(ValidationError):
        Money.model_validate(value)


def test_the_smallest_amount_too_large_is_refused() -> None:
    assert Money.parse("99999999999.99", "EUR").minor == LARGEST_MINOR
    with pytest.raises(ValidationError, match="too large"):
        Money.parse("100000000000.00", "EUR")


@pytest.mark.parametrize("amount", ["0.00", "-1.00"])
def test_a_price_is_more_than_zero(amount: str) -> None:
    with pytest.raises(ValidationError, match="more than zero"):
        Tag.model_validate({"price": {"amount": amount, "currency": "EUR"}})


def test_currencies_do_not_mix() -> None:
    with pytest.raises(CurrencyMismatch):
        Money.of(1, "EUR") + Money.of(1, "USD")


def test_a_line_is_its_price_times_its_quantity() -> None:
    assert str(Money.parse("19.99", "EUR") * 3) == "59.97 EUR"


def test_the_schema_shows_the_wires_shape() -> None:
    schema = Tag.model_json_schema()["$defs"]["Money"]

    assert schema["required"] == ["amount", "currency"]
    assert schema["properties"]["currency"]["enum"] == sorted(MINOR_DIGITS)
