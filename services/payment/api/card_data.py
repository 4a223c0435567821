"""Card numbers never come in: whatever looks like one is refused before anything else looks at the body."""

import json
import re
from typing import Annotated, Any

from fastapi import Depends, Request

from services.payment.domain.attempts import CardDataRefused

_CARD_NUMBER = re.compile(r"\d(?:[ -]?\d){11,18}")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)


async def _refuse_card_data(request: Request) -> None:
    try:
        body = json.loads(await request.body() or b"null")
    except (ValueError, RecursionError):
        return
    if holds_card_data(body):
        raise CardDataRefused


CardDataFree = Annotated[None, Depends(_refuse_card_data)]
"""The body holds nothing like a card number, in no field and no field's name, known or unknown."""


def holds_card_data(body: Any) -> bool:  # noqa: ANN401 - any JSON
    """Whether 12 to 19 digits in a row, grouped or not, stand anywhere in a JSON value; a whole UUID is an id.

    It looks as deep as JSON can be nested, so it does not recurse.
    """
    left = [body]
    while left:
        part = left.pop()
        if isinstance(part, dict):
            left += [*part.keys(), *part.values()]
        elif isinstance(part, list):
            left += part
        elif _is_card_number(str(part)):
            return True
    return False


def _is_card_number(text: str) -> bool:
    return _UUID.fullmatch(text) is None and _CARD_NUMBER.search(text) is not None
