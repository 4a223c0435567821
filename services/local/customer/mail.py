"""Reading the local mailbox."""

from typing import Any

import aiohttp

from services.local.customer.client import Unreachable


async def letters(mailbox_url: str, *, to: str | None = None) -> list[dict[str, Any]]:
    """The letters, oldest first.

    :raises Unreachable: the mailbox does not answer
    """
    params = {} if to is None else {"to": to}
    try:
        async with aiohttp.ClientSession() as session, session.get(f"{mailbox_url}/messages", params=params) as answer:
            answer.raise_for_status()
            result: list[dict[str, Any]] = await answer.json()
    except aiohttp.ClientError as error:
        raise Unreachable(f"The mailbox: {error}") from error
    return result
