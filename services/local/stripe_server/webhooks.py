"""Events on their way to the shop: signed, repeated until they are confirmed (https://docs.stripe.com/webhooks)."""

import hashlib
import hmac

import aiohttp

from services.local.stripe_server.records import Delivery

_FIRST_PAUSE = 0.25
_LONGEST_PAUSE = 30.0


def signature(body: bytes, *, secret: str, at: int) -> str:
    """The value of the `Stripe-Signature` header."""
    signed = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={at},v1={signed}"


def pause(attempts: int) -> float:
    """Seconds until the next attempt: doubling, at most half a minute."""
    return float(min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(attempts - 1, 10)))


async def deliver(session: aiohttp.ClientSession, delivery: Delivery, *, url: str, secret: str, at: int) -> bool:
    """One attempt; the answer is whether the shop has confirmed."""
    headers = {
        "Content-Type": "application/json; charset=utf-8",
        "Stripe-Signature": signature(delivery.body, secret=secret, at=at),
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
    }
    try:
        async with session.post(url, data=delivery.body, headers=headers, allow_redirects=False) as response:
            return response.ok and not 300 <= response.status < 400  # noqa: PLR2004 - a redirect is not followed
    except (aiohttp.ClientError, TimeoutError):
        return False
