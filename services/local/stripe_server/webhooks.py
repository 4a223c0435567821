"""Events on their way to the shop: signed, repeated until they are confirmed (https://docs.stripe.com/webhooks)."""

import aiohttp

_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 30.0


def pause(attempts: int) -> float:
    """Seconds until the next attempt: doubling, at most half a minute."""
    return float(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(attempts - 1, 10)))


async def send(session: aiohttp.ClientSession, body: bytes, *, url: str, signature: str) -> int | None:
    """One delivery; the answer is the status that the shop answered with, if it did."""
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Stripe-Signature": signature,
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
    }
    try:
        async with session.post(url, data=body, headers=headers, allow_redirects=False) as response:
            return response.status
    except (aiohttp.ClientError, TimeoutError):
        return None


def confirms(status: int | None) -> bool:
    """Whether the shop has taken the event; a redirect is not followed and confirms nothing."""
    return status is not None and 200 <= status < 300  # noqa: PLR2004 - the codes of success
