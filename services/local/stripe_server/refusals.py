"""Errors as Stripe words and shapes them (https://docs.stripe.com/api/errors).

A refusal that comes before execution is not stored under the idempotency key; one that comes from executing is.
"""

from dataclasses import dataclass, field
from typing import Any

Details = dict[str, Any]


@dataclass
class Refusal(Exception):
    """A request that is answered with an error."""

    status: int
    error_type: str
    message: str
    details: Details = field(default_factory=dict)

    @property
    def body(self) -> Details:
        """The JSON object that is answered."""
        return {"error": {"type": self.error_type, "message": self.message} | self.details}


class Unexecuted(Refusal):
    """A refusal given before execution began."""


class Executed(Refusal):
    """A refusal that executing the request led to."""


def unauthorized(key: str) -> Unexecuted:
    """No key, or one that is not ours; only its beginning is repeated."""
    message = f"Invalid API Key provided: {key[:8]}***" if key else "You did not provide an API key."
    return Unexecuted(401, "invalid_request_error", message)


def invalid(param: str, message: str, code: str) -> Unexecuted:
    """A parameter that cannot be accepted."""
    return Unexecuted(400, "invalid_request_error", message, {"param": param, "code": code})


def unknown_address(path: str) -> Unexecuted:
    """An address that leads nowhere."""
    return Unexecuted(404, "invalid_request_error", f"Unrecognized request URL ({path}).")


def missing(kind: str, object_id: str, param: str = "id") -> Unexecuted:
    """An object that does not exist."""
    message = f"No such {kind}: '{object_id}'"
    status = 404 if param == "id" else 400
    return Unexecuted(status, "invalid_request_error", message, {"param": param, "code": "resource_missing"})


def long_key() -> Unexecuted:
    """A key that is longer than Stripe takes."""
    return Unexecuted(400, "idempotency_error", "Idempotency keys must not be longer than 255 characters.")


def other_parameters(key: str) -> Unexecuted:
    """A key that has been used with other parameters."""
    message = (
        "Keys for idempotent requests can only be used with the same parameters they were first used with. "
        f"Try using a key other than '{key}' if you meant to execute a different request."
    )
    return Unexecuted(400, "idempotency_error", message)


def in_progress(key: str) -> Unexecuted:
    """A key whose first request still runs."""
    message = f"There is currently another in-progress request using this Idempotent Key: {key}."
    return Unexecuted(409, "invalid_request_error", message, {"code": "idempotency_key_in_use"})


def locked() -> Unexecuted:
    """An object that another request is working on."""
    message = "This object cannot be accessed right now because another API request is currently accessing it."
    return Unexecuted(409, "invalid_request_error", message, {"code": "lock_timeout"})


def too_many() -> Unexecuted:
    """More requests than are allowed; it comes before the idempotency layer."""
    return Unexecuted(429, "invalid_request_error", "Request rate limit exceeded.", {"code": "rate_limit"})


def away() -> Unexecuted:
    """A provider that is not there for a while: nothing was executed."""
    return Unexecuted(503, "api_error", "Stripe is temporarily unavailable.")


def unexpected_state(intent: Details, verb: str, allowed: tuple[str, ...]) -> Executed:
    """A PaymentIntent whose status does not allow the call."""
    message = (
        f"You cannot {verb} this PaymentIntent because it has a status of {intent['status']}. Only a PaymentIntent "
        f"with one of the following statuses may be {verb}ed: {', '.join(allowed)}."
    )
    return Executed(
        400,
        "invalid_request_error",
        message,
        {"code": "payment_intent_unexpected_state", "payment_intent": intent},
    )


def declined(error: Details, intent: Details) -> Executed:
    """A card that was refused, with the PaymentIntent as it stands now."""
    details = {name: value for name, value in error.items() if name not in {"type", "message"}}
    return Executed(402, "card_error", error["message"], details | {"payment_intent": intent})


def unrefundable(message: str, *, code: str | None = None) -> Executed:
    """A refund that the charge does not allow."""
    return Executed(400, "invalid_request_error", message, {"code": code} if code else {"param": "amount"})


def closed_dispute(dispute: Details) -> Executed:
    """A dispute in which nothing can be said any more."""
    message = f"This dispute is already closed or waits for no answer: its status is {dispute['status']}."
    return Executed(400, "invalid_request_error", message)


def broken() -> Executed:
    """An error inside the provider; it is stored, so the same key gives it again."""
    return Executed(500, "api_error", "An unknown error occurred.")
