"""What the provider tells by itself: events, signed over the raw body (https://docs.stripe.com/webhooks)."""

from typing import Any
from uuid import UUID

import stripe
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.shared.errors import Malformed

TOLERANCE_SECONDS = 300


class BadSignature(Malformed):
    """The signature does not fit the body, or is too old."""


class EventObject(BaseModel):
    """What an event is about."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str = Field(default="", max_length=255)
    object: str
    status: str | None = None
    metadata: dict[str, Any] | None = None

    @property
    def refund_id(self) -> UUID | None:
        """Our own id of a refund, when the object carries one."""
        try:
            return UUID(str((self.metadata or {}).get("refund_id")))
        except ValueError:
            return None


class _Data(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    object: EventObject


class ProviderEvent(BaseModel):
    """An event, reduced to what decides where it goes."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    id: str = Field(min_length=1, max_length=255)
    type: str = Field(max_length=100)
    data: _Data


def read(body: bytes, signature: str | None, *, secret: str) -> ProviderEvent:
    """The event in a body whose signature was verified.

    :param signature: the `Stripe-Signature` header; it holds several signatures while a secret is being replaced.
    :raises BadSignature: it is missing, wrong or older than 300 seconds.
    :raises Malformed: the body is not an event.
    """
    if signature is not None and not signature.isascii():
        raise BadSignature
    try:
        stripe.WebhookSignature.verify_header(body, signature, secret, TOLERANCE_SECONDS)
    except (stripe.SignatureVerificationError, UnicodeDecodeError) as error:
        raise BadSignature from error
    try:
        return ProviderEvent.model_validate_json(body)
    except ValidationError as error:
        raise Malformed from error
