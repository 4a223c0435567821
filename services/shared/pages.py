"""Keyset pagination: a page and the opaque cursor of the next."""

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel

from services.shared.bodies import check_text
from services.shared.errors import Invalid

Item = TypeVar("Item")
_LARGEST = 2**63 - 1

Limit = Annotated[int, Query(ge=1, le=100, description="How many items a page holds.")]
Cursor = Annotated[str | None, Query(max_length=500, description="`next_cursor` of the page before.")]


class InvalidCursor(Invalid):
    """The cursor is not one that this list gave."""


class Page(BaseModel, Generic[Item]):
    """A page of a list; `next_cursor` is null on the last."""

    items: list[Item]
    next_cursor: str | None = None


def encode_cursor(*position: str | int) -> str:
    """An opaque cursor for a position in a list."""
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode().rstrip("=")


def decode_cursor(cursor: str | None, *kinds: Callable[[Any], Any]) -> tuple[Any, ...] | None:
    """The position in a cursor, each part read by its kind (`UUID`, `datetime.fromisoformat`, `int`); None for None.

    :raises InvalidCursor: it is not such a cursor.
    """
    if cursor is None:
        return None
    try:
        parts = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        return tuple(_storable(kind(part)) for kind, part in zip(kinds, parts, strict=True))
    except (ValueError, TypeError, AttributeError, OverflowError, binascii.Error) as error:
        raise InvalidCursor from error


def _storable(part: Any) -> Any:  # noqa: ANN401 - whatever the kind made of it
    """A part as PostgreSQL takes it: text without NUL, integers of 64 bits, moments in UTC for want of long offsets."""
    if isinstance(part, datetime):
        return part.astimezone(UTC)
    check_text(part)
    if isinstance(part, int) and abs(part) > _LARGEST:
        raise ValueError
    return part


def page_of(
    found: Sequence[Any], limit: int, item: Callable[[Any], Item], position: Callable[[Any], tuple[str | int, ...]]
) -> Page[Item]:
    """A page from up to `limit + 1` rows: the extra one only tells that there is a next page."""
    shown = found[:limit]
    more = len(found) > limit
    return Page(items=[item(one) for one in shown], next_cursor=encode_cursor(*position(shown[-1])) if more else None)
