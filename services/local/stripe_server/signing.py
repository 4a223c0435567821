"""The secrets with which events are signed: while one replaces another, both sign (as Stripe's roll of a secret)."""

import hashlib
import hmac
import json
from collections.abc import Sequence

from services.local.stripe_server.records import Records

_SETTING = "webhook_secrets"


def signature(body: bytes, *, secrets: Sequence[str], at: int) -> str:
    """The value of the `Stripe-Signature` header: one `v1` for each secret."""
    signed = f"{at}.".encode() + body
    return ",".join([f"t={at}", *(f"v1={_digest(signed, secret)}" for secret in secrets)])


def _digest(signed: bytes, secret: str) -> str:
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def valid(records: Records, *, configured: str, now: float) -> tuple[str, ...]:
    """The secrets that sign now, the newest first."""
    rolled = _rolled(records)
    newest = [rolled[-1][0]] if rolled else [configured]
    before = [configured, *(secret for secret, _ in rolled)]
    older = [old for old, (_, until) in zip(before, rolled, strict=False) if until > now]
    return (*newest, *reversed(older))


def roll(records: Records, secret: str, *, old_until: float) -> None:
    """A new secret signs from now on, the one before it until `old_until` too; for this process and the next."""
    records.keep_setting(_SETTING, json.dumps([*_rolled(records), (secret, old_until)]))


def _rolled(records: Records) -> list[tuple[str, float]]:
    """Each new secret, with the moment at which the one before it stops signing."""
    return [(secret, until) for secret, until in json.loads(records.find_setting(_SETTING) or "[]")]
