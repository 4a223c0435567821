"""Stripe's form encoding: `metadata[order_id]=…`, `expand[]=…`, `created[gte]=…`."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from services.local.stripe_server import refusals

_PART = re.compile(r"[^\[\]]+|\[\]")


def parse(encoded: str) -> dict[str, Any]:
    """Read nested keys into nested dictionaries; a list becomes a dictionary keyed by position."""
    result: dict[str, Any] = {}
    for key, value in parse_qsl(encoded, keep_blank_values=True):
        *path, last = _PART.findall(key) or [key]
        level = result
        for part in path:
            level = _descend(level, part)
        level[_position(level) if last == "[]" else last] = value
    return result


def _descend(level: dict[str, Any], part: str) -> dict[str, Any]:
    inner = level.setdefault(part, {})
    if not isinstance(inner, dict):
        raise refusals.invalid(part, f"Invalid object: {part}", "parameter_invalid")
    return inner


def _position(level: Mapping[str, Any]) -> str:
    return str(len(level))


@dataclass(frozen=True)
class Form:
    """The parameters of one request, read with Stripe's errors."""

    values: Mapping[str, Any]

    def only(self, allowed: Collection[str]) -> None:
        """Refuse every parameter that is not named."""
        unknown = sorted(self.values.keys() - {*allowed, "expand"})
        if unknown:
            raise refusals.invalid(unknown[0], f"Received unknown parameter: {unknown[0]}", "parameter_unknown")

    def text(self, name: str) -> str | None:
        """A parameter as text; an empty one counts as absent."""
        value = self.values.get(name)
        if value is not None and not isinstance(value, str):
            raise refusals.invalid(name, f"Invalid string: {name}", "parameter_invalid_string")
        return value or None

    def required(self, name: str) -> str:
        """A parameter that must be there."""
        value = self.text(name)
        if value is None:
            raise refusals.invalid(name, f"Missing required param: {name}.", "parameter_missing")
        return value

    def whole(self, name: str) -> int | None:
        """A parameter as a whole number."""
        value = self.text(name)
        if value is None:
            return None
        if not re.fullmatch(r"-?\d{1,18}", value):
            raise refusals.invalid(name, f"Invalid integer: {value}", "parameter_invalid_integer")
        return int(value)

    def flag(self, name: str, *, absent: bool = False) -> bool:
        """A parameter as a truth value."""
        value = self.text(name)
        if value not in {None, "true", "false"}:
            raise refusals.invalid(name, f"Invalid boolean: {value}", "parameter_invalid_boolean")
        return absent if value is None else value == "true"

    def choice(self, name: str, choices: Collection[str]) -> str | None:
        """A parameter that must be one of a few words."""
        value = self.text(name)
        if value is not None and value not in choices:
            message = f"Invalid {name}: must be one of {', '.join(sorted(choices))}"
            raise refusals.invalid(name, message, "parameter_invalid_string")
        return value

    def mapping(self, name: str) -> dict[str, str]:
        """A parameter as a flat dictionary; empty values unset their key."""
        value = self.values.get(name) or {}
        if not isinstance(value, dict) or any(isinstance(item, dict) for item in value.values()):
            raise refusals.invalid(name, f"Invalid hash: {name}", "parameter_invalid")
        return {key: item for key, item in value.items() if item}

    def part(self, name: str) -> dict[str, Any]:
        """A parameter that has parameters of its own; absent is empty."""
        value = self.values.get(name) or {}
        if not isinstance(value, dict):
            raise refusals.invalid(name, f"Invalid object: {name}", "parameter_invalid")
        return value

    def parts(self, name: str) -> list[dict[str, Any]]:
        """A parameter that is a list of such."""
        value = self.part(name)
        return [Form(value).part(position) for position in value]

    def words(self, name: str) -> tuple[str, ...]:
        """A parameter as a list of words."""
        return tuple(self.mapping(name).values())
