"""Idempotency keys: a command's identity comes from its caller, and its body's fingerprint guards the key's reuse."""

import hashlib
import json
from typing import Annotated, Any
from uuid import UUID, uuid5

from fastapi import Depends, Request

from services.shared.errors import Conflict, Invalid, Malformed

REPLAYED = {"Idempotent-Replayed": "true"}
_LONGEST_KEY = 255


class IdempotencyKeyRequired(Malformed):
    """This request needs an Idempotency-Key header of 1 to 255 printable characters."""


class IdempotencyKeyReused(Invalid):
    """This Idempotency-Key was used for a request with another body."""


class RequestInProgress(Conflict):
    """The first request with this Idempotency-Key is still running."""


async def _key(request: Request) -> str:
    key = request.headers.get("Idempotency-Key", "")
    if not (0 < len(key) <= _LONGEST_KEY and key.isascii() and key.isprintable()):
        raise IdempotencyKeyRequired
    return key


IdempotencyKey = Annotated[str, Depends(_key)]


async def _fingerprint(request: Request) -> str:
    body = await request.body()
    try:
        return fingerprint(request.method, request.url.path, json.loads(body) if body else None)
    except (ValueError, RecursionError):
        return fingerprint(request.method, request.url.path, body.hex())


Fingerprint = Annotated[str, Depends(_fingerprint)]
"""Of the request's method, path and body; equal JSON has an equal fingerprint however it is spaced or ordered."""


def fingerprint(method: str, path: str, body: Any) -> str:  # noqa: ANN401 - any JSON
    """SHA-256 over method, path and canonical JSON."""
    canonical = json.dumps([method, path, body], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def command_id(principal: UUID, operation: str, key: str) -> UUID:
    """The identity of a command: the same customer, operation and key are the same command for ever."""
    return uuid5(principal, f"{operation}:{key}")


def check_fingerprint(stored: str, given: str) -> None:
    """Refuse a key that comes again with another body.

    :raises IdempotencyKeyReused: the fingerprints differ.
    """
    if stored != given:
        raise IdempotencyKeyReused
