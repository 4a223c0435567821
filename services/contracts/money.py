"""Money: an amount in a currency's minor units, written on the wire as a decimal string."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_serializer, model_validator

MINOR_DIGITS: dict[str, int] = {
    **dict.fromkeys(
        [
            "AED",
            "AUD",
            "BGN",
            "BRL",
            "CAD",
            "CHF",
            "CNY",
            "CZK",
            "DKK",
            "EUR",
            "GBP",
            "HKD",
            "HUF",
            "IDR",
            "ILS",
            "INR",
            "MAD",
            "MXN",
            "MYR",
            "NOK",
            "NZD",
            "PHP",
            "PLN",
            "RON",
            "SAR",
            "SEK",
            "SGD",
            "THB",
            "TRY",
            "TWD",
            "UAH",
            "USD",
            "ZAR",
        ],
        2,
    ),
    **dict.fromkeys(["CLP", "ISK", "JPY", "KRW", "VND"], 0),
    **dict.fromkeys(["BHD", "JOD", "KWD", "OMR", "TND"], 3),
}
"""Digits after the decimal point of each accepted currency (ISO 4217)."""

LARGEST_MINOR = 10**13 - 1
"""The largest amount in minor units: sums of a thousand such lines still fit a 64-bit integer."""


def _known(currency: str) -> str:
    if currency not in MINOR_DIGITS:
        message = "not an accepted ISO 4217 currency"
        raise ValueError(message)
    return currency


Currency = Annotated[str, AfterValidator(_known)]


class CurrencyMismatch(ValueError):
    """Amounts of different currencies were added or compared."""


class Money(BaseModel):
    """An amount of money.

    On the wire `{"amount": "12.50", "currency": "EUR"}`: a decimal string with exactly the currency's digits, never a
    float. In the program `minor` counts the currency's smallest unit.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    minor: int = Field(ge=-LARGEST_MINOR * 1000, le=LARGEST_MINOR * 1000)
    currency: Currency

    @classmethod
    def of(cls, minor: int, currency: str) -> "Money":
        """Money from a count of minor units."""
        return Money.model_construct(minor=minor, currency=currency)

    @classmethod
    def parse(cls, amount: str, currency: str) -> Self:
        """Money from a decimal string.

        :raises pydantic.ValidationError: wrong digits, sign or currency.
        """
        return cls.model_validate({"amount": amount, "currency": currency})

    @classmethod
    def total(cls, amounts: Iterable["Money"], currency: str) -> "Money":
        """The sum of amounts that are all in one currency; zero of it when there are none."""
        return sum(amounts, start=Money.of(0, currency))

    @model_validator(mode="before")
    @classmethod
    def _from_wire(cls, data: Any) -> Any:  # noqa: ANN401 - a validator sees anything
        if not isinstance(data, dict) or "amount" not in data:
            message = 'money is {"amount": "12.50", "currency": "EUR"}'
            raise ValueError(message)
        amount, currency = data["amount"], data.get("currency")
        if not isinstance(amount, str) or not isinstance(currency, str):
            message = "amount and currency are strings"
            raise ValueError(message)  # noqa: TRY004 - pydantic reports ValueError only
        rest = {name: value for name, value in data.items() if name != "amount"}
        return {**rest, "minor": _minor(amount, MINOR_DIGITS[_known(currency)])}

    @model_serializer
    def _to_wire(self) -> dict[str, str]:
        return {"amount": self.amount, "currency": self.currency}

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: Any, handler: Any) -> dict[str, Any]:  # noqa: ANN401 - pydantic's hook
        """The wire's shape, which differs from the program's."""
        return {
            "title": "Money",
            "type": "object",
            "properties": {
                "amount": {"type": "string", "pattern": r"^-?\d{1,13}(\.\d{1,3})?$", "examples": ["12.50"]},
                "currency": {"type": "string", "enum": sorted(MINOR_DIGITS), "examples": ["EUR"]},
            },
            "required": ["amount", "currency"],
            "additionalProperties": False,
        }

    @property
    def amount(self) -> str:
        """The decimal string with exactly the currency's digits."""
        return f"{Decimal(self.minor).scaleb(-MINOR_DIGITS[self.currency]):.{MINOR_DIGITS[self.currency]}f}"

    def __add__(self, other: "Money") -> "Money":
        """Add an amount of the same currency.

        :raises CurrencyMismatch: the other is in another currency.
        """
        if other.currency != self.currency:
            message = f"{self.currency} and {other.currency}"
            raise CurrencyMismatch(message)
        return Money.of(self.minor + other.minor, self.currency)

    def __mul__(self, quantity: int) -> "Money":
        """So many times this amount."""
        return Money.of(self.minor * quantity, self.currency)

    def __str__(self) -> str:
        """For people: `12.50 EUR`."""
        return f"{self.amount} {self.currency}"


def _minor(amount: str, digits: int) -> int:
    whole, point, fraction = amount.removeprefix("-").partition(".")
    exact = len(fraction) == digits and bool(point) == bool(digits)
    if not (exact and (whole + fraction).isascii() and (whole + fraction).isdigit() and 0 < len(whole) <= 13):  # noqa: PLR2004 - digits of LARGEST_MINOR
        message = f"an amount has exactly {digits} digits after the point" if digits else "an amount has no fraction"
        raise ValueError(message)
    minor = int(whole + fraction)
    if minor > LARGEST_MINOR:
        message = "the amount is too large"
        raise ValueError(message)
    return -minor if amount.startswith("-") else minor


def _positive(money: Money) -> Money:
    if money.minor <= 0:
        message = "the amount must be more than zero"
        raise ValueError(message)
    return money


Price = Annotated[Money, AfterValidator(_positive)]
"""Money that is more than zero."""
