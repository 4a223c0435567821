"""What goes wrong between the stand-in and the shop's webhook, under `/_stand-in/webhooks`.

| request | what it does |
|---|---|
| `PUT` | `{duplicates, delay_seconds, reorder_within_seconds, drop, withhold, seed}`: the way is unreliable |
| `GET`, `DELETE` | how unreliable it is; let everything arrive, what was withheld too |
| `POST …/secret` | `{secret?, old_valid_seconds}`: another secret signs, for that long beside the old one; answers it |
| `POST …/send` | `{event_id | event, signature: "genuine" | "forged" | "stale"}`: one delivery now, beside the usual |

`PUT` is described in `unreliability.Unreliability`; `send` answers `{"status": what the shop answered, or null}`.
"""

import json
import time
from enum import StrEnum, auto
from typing import Annotated, Any, Self

import aiohttp
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, model_validator

from services.local.stripe_server import objects, signing, webhooks, worker
from services.local.stripe_server.calls import Running, Server
from services.local.stripe_server.unreliability import Unreliability, Way

router = APIRouter(prefix="/_stand-in/webhooks")
_STALE = 3_600
"""Seconds; the shop tolerates 300."""


@router.put("")
async def change_way(asked: Unreliability, server: Running) -> Unreliability:
    """Make the way unreliable, or reliable again."""
    server.way = Way(asked)
    now = server.clock()
    server.records.release(now=now, later_than=now + worker.LEASE)
    server.owed.set()
    return asked


@router.get("")
async def read_way(server: Running) -> Unreliability:
    """How unreliable it is."""
    return server.way.asked


@router.delete("")
async def clear_way(server: Running) -> Unreliability:
    """Let everything arrive."""
    return await change_way(Unreliability(), server)


class Roll(BaseModel):
    """A secret that replaces the one before it."""

    model_config = ConfigDict(extra="forbid")

    secret: Annotated[str, Field(pattern="^whsec_", default_factory=lambda: objects.new_id("whsec"))]
    old_valid_seconds: NonNegativeFloat = 86_400.0


@router.post("/secret")
async def roll_secret(roll: Roll, server: Running) -> dict[str, str]:
    """Sign with another secret."""
    signing.roll(server.records, roll.secret, old_until=server.clock() + roll.old_valid_seconds)
    return {"secret": roll.secret}


class Signed(StrEnum):
    """With a secret that is valid, with one that nobody knows, or long ago."""

    GENUINE = auto()
    FORGED = auto()
    STALE = auto()


class Sending(BaseModel):
    """An event that was told, by its id, or one that never was."""

    model_config = ConfigDict(extra="forbid")

    event_id: str | None = None
    event: dict[str, Any] | None = None
    signature: Signed = Signed.GENUINE

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.event_id is None) == (self.event is None):
            raise ValueError("either event_id or event")
        return self


@router.post("/send")
async def send(sending: Sending, server: Running) -> dict[str, int | None]:
    """Deliver one event now."""
    event = sending.event or server.desk().get("event", sending.event_id or "")
    body = json.dumps(event).encode()
    async with aiohttp.ClientSession(timeout=worker.TIMEOUT) as session:
        signature = _signature(server, body, sending.signature)
        return {"status": await webhooks.send(session, body, url=server.settings.webhook_url, signature=signature)}


def _signature(server: Server, body: bytes, signed: Signed) -> str:
    secrets = (objects.new_id("whsec"),) if signed is Signed.FORGED else server.secrets
    at = int(time.time()) - (_STALE if signed is Signed.STALE else 0)
    return signing.signature(body, secrets=secrets, at=at)
